import ApusNet
import ApusRuntime
import ApusWire
import HTTPTypes

/// The conversation with a proxy that makes a connection one with the server. Loop thread only.
///
/// Deadlines are not its matter: whoever connects cancels the task.
// @unchecked: it stays on the loop's thread; a cancellation handler only needs the loop and a number.
final class Tunnel: @unchecked Sendable {
    /// Bytes of one read: an answer fits.
    private static let readSize = 4096
    /// What of a refusal's body is kept.
    private static let prefixLimit = 4096

    private let transport: any Transport
    private let proxy: Proxy
    private let loop: EventLoop
    private var http: HTTP1Connection

    private init(_ transport: any Transport, _ proxy: Proxy, _ limits: HTTP1Limits) {
        self.transport = transport
        self.proxy = proxy
        loop = transport.descriptor.loop
        http = HTTP1Connection(role: .client, limits: limits)
    }

    /// Asks an HTTP proxy for a tunnel (RFC 9110 §9.3.6).
    ///
    /// - Parameter authority: `host:port`.
    /// - Throws: ``ProxyFailure``, `CancellationError`. `transport` is closed then.
    static func connect(
        to authority: String,
        through proxy: Proxy,
        over transport: any Transport,
        limits: HTTP1Limits
    ) async throws {
        let tunnel = Tunnel(transport, proxy, limits)
        try await tunnel.guarded { try await tunnel.askHTTP(authority) }
    }

    /// Asks a SOCKS 5 proxy for a connection.
    ///
    /// - Throws: as ``connect(to:through:over:limits:)``.
    static func connect(
        to destination: SOCKS5Client.Destination,
        port: Int,
        through proxy: Proxy,
        over transport: any Transport
    ) async throws {
        let tunnel = Tunnel(transport, proxy, HTTP1Limits())
        try await tunnel.guarded { try await tunnel.askSOCKS(destination, port) }
    }

    /// One cancellation handler for all waits; on an error the connection is of no use.
    private func guarded(_ body: () async throws -> Void) async throws {
        let (loop, token) = (loop, transport.descriptor.token)
        do {
            try await withTaskCancellationHandler {
                try await body()
            } onCancel: {
                loop.perform { loop.endWaits(token, with: .cancelled) }
            }
        } catch {
            transport.close()
            switch error {
            case let error as NetError:
                throw ProxyFailure(
                    .proxyFailed,
                    "The connection to the proxy \(proxy) broke: \(error)",
                    cause: error
                )
            case let error as HTTP1Error: throw ProxyFailure(error, from: proxy)
            case let error as SOCKS5Error: throw ProxyFailure(error, from: proxy)
            default: throw error
            }
        }
    }

    // MARK: HTTP

    private func askHTTP(_ authority: String) async throws {
        var fields = HTTPFields()
        fields[.hostField] = authority
        for field in proxy.fields where field.name != .hostField { fields.append(field) }
        do throws(HTTP1Error) {
            try http.sendRequest(
                method: .connect,
                target: Array(authority.utf8),
                prepared: [],
                fields: fields,
                body: .none
            )
        } catch {
            throw ProxyFailure(.invalidRequest, "The proxy cannot be asked: \(error.message)", cause: error)
        }
        let request = Array(http.output)
        http.consumeOutput(request.count)
        try await write(request)
        while true {
            switch try http.next() {
            case .response(let head) where !(200..<300).contains(head.statusCode):
                throw ProxyFailure(head, bodyPrefix: bodyPrefix(), from: proxy)
            // RFC 9110 §9.3.6: any 2xx makes the tunnel, whatever fields it has.
            case .response, .informational: continue
            case .upgraded: return try checkNothingFollows(http.bufferedInputCount)
            case .needData:
                let count = try await read()
                if count == 0 { http.receiveEOF() }
            case .request, .data, .end, .paused, .closed:
                throw ProxyFailure(.proxyMalformed, "What the proxy \(proxy) answered came out of order.")
            }
        }
    }

    /// The body of a refusal, as far as it has come with the head.
    private func bodyPrefix() -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < Self.prefixLimit, let event = try? http.next(), case .data(let data) = event {
            http.append(data, to: &bytes)
        }
        return Array(bytes.prefix(Self.prefixLimit))
    }

    /// In HTTP and in TLS the client speaks first: what comes before cannot be the server's.
    private func checkNothingFollows(_ count: Int) throws {
        guard count > 0 else { return }
        throw ProxyFailure(
            .proxyMalformed,
            "The proxy \(proxy) sent \(count) bytes behind its answer, before the server had been asked anything."
        )
    }

    // MARK: SOCKS

    private func askSOCKS(_ destination: SOCKS5Client.Destination, _ port: Int) async throws {
        var client = try SOCKS5Client(to: destination, port: port, username: proxy.username, password: proxy.password)
        while true {
            let output = client.output
            client.output = []
            try await write(output)
            if client.isConnected { return try checkNothingFollows(client.remainder.count) }
            guard try await read() > 0 else { throw client.closed }
            try client.receive(http.takeRemainingInput())
        }
    }

    // MARK: Bytes

    private func write(_ bytes: [UInt8]) async throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            if let count = try rest.withUnsafeBytes({ try transport.send($0) }) {
                rest = rest.dropFirst(count)
            } else {
                let outcome = await transport.writeDescriptor.waitWritable()
                try check(outcome)
            }
        }
    }

    /// Reads what has come. Returns how many bytes; 0 at the end.
    // What throws is apart from what waits: the compiler (6.3.1) crashes in release builds when it splits a loop that has both.
    private func read() async throws -> Int {
        var count = try receive()
        while count < 0 {
            let outcome = await transport.descriptor.waitReadable()
            try check(outcome)
            count = try receive()
        }
        // A proxy that talks without end must not keep the loop.
        await loop.yieldIfSliceIsOver()
        return count
    }

    /// Without waiting: -1 if nothing has come.
    @inline(never)
    private func receive() throws -> Int {
        guard transport.descriptor.mayRead,
            let count = try transport.receive(into: http.prepareInput(minimum: Self.readSize))
        else { return -1 }
        http.commitInput(count)
        return count
    }

    @inline(never)
    private func check(_ outcome: WaitOutcome) throws {
        switch outcome {
        case .ready: return
        case .cancelled: throw CancellationError()
        case .timedOut, .closed, .busy:
            throw NetError(.closed, "The connection to the proxy was closed on this side.")
        }
    }
}
