import ApusNet
import ApusRuntime
import ApusWire
import HTTPTypes

/// One request's connection to a ``MockTransport``: a server's codec in memory. Loop thread only.
final class MockConnection: Transport {
    let descriptor: Descriptor
    private let mock: MockTransport
    private let scheme: String
    private let loop: EventLoop
    private var http = HTTP1Connection(role: .server)
    private var head: HTTP1RequestHead?
    private var body: [UInt8] = []
    /// On the way to the reader.
    private var input: [UInt8] = []
    private var hasEnded = false
    private var failure: NetError?
    private var isOpen = true
    private var task: LoopTask<Void>?

    init(_ mock: MockTransport, scheme: String, on loop: EventLoop) throws {
        self.mock = mock
        self.scheme = scheme
        self.loop = loop
        descriptor = try loop.register(-1)
    }

    deinit { if isOpen { descriptor.release() } }

    // MARK: Transport

    func receive(into buffer: UnsafeMutableRawBufferPointer) throws(NetError) -> Int? {
        guard isOpen else { throw NetError(.closed, "The connection was closed on this side.") }
        if input.isEmpty {
            if let failure { throw failure }
            if hasEnded { return 0 }
            descriptor.readWouldBlock()
            return nil
        }
        let count = min(input.count, buffer.count)
        buffer.copyBytes(from: input[..<count])
        input.removeFirst(count)
        descriptor.didRead(count, of: buffer.count)
        return count
    }

    func send(_ bytes: UnsafeRawBufferPointer) throws(NetError) -> Int? {
        guard isOpen else { throw NetError(.closed, "The connection was closed on this side.") }
        if let failure { throw failure }
        http.receive(bytes)
        parse()
        return bytes.count
    }

    func finishSending() {}

    func close() {
        guard isOpen else { return }
        isOpen = false
        task?.cancel()
        task = nil
        descriptor.release()
    }

    func abort() { close() }

    var remoteAddress: SocketAddress? { nil }
    var localAddress: SocketAddress? { nil }

    // MARK: The server's side

    private func parse() {
        do {
            while true {
                switch try http.next() {
                case .request(let head):
                    self.head = head
                    if head.expectsContinue { deliver(Array("HTTP/1.1 100 Continue\r\n\r\n".utf8)) }
                case .data(let data): http.append(data, to: &body)
                case .end: return start()
                default: return
                }
            }
        } catch {
            mock.note("What was sent is not a request: \(error)")
            fail(NetError(.system, "What was sent is not a request: \(error)", cause: error))
        }
    }

    private func start() {
        guard task == nil, let head else { return }
        let request = request(head)
        let connection = LoopBound(self, on: loop)
        task = loop.spawn(name: "mock \(request)") { await connection.value.respond(to: request) }
    }

    private func request(_ head: HTTP1RequestHead) -> MockRequest {
        let target = head.target
        let path = target.prefix { $0 != "?" }
        return MockRequest(
            method: head.method,
            url: "\(scheme)://\(head.host ?? "")\(target)",
            path: String(path),
            query: path.count < target.count ? String(target.dropFirst(path.count + 1)) : nil,
            headers: head.fields,
            body: body
        )
    }

    private func respond(to request: MockRequest) async {
        do {
            let response = try await mock.answer(request)
            if response.delay > .zero { try await sleep(for: response.delay) }
            switch response.failure {
            case .refused: return fail(NetError(.connectionRefused, "Connecting to the mock: refused."))
            case .disconnected: break
            case .silent: return
            case nil: try await send(response)
            }
            hasEnded = true
            deliver([], [.readable, .readEnd])
        } catch let error as NetError {
            fail(error)
        } catch is CancellationError {
            // The request has gone, and this connection with it.
        } catch {
            mock.note("The answer to \(request) cannot be sent: \(error)")
            fail(NetError(.system, "The mock's answer to \(request) cannot be sent: \(error)", cause: error))
        }
    }

    private func send(_ response: MockResponse) async throws {
        let length = response.pieces.reduce(0) { $0 + $1.count }
        let isWhole = response.pieces.count < 2
        let mayHaveBody = response.status.code != 204 && response.status.code != 304
        let framing: HTTP1BodyLength = mayHaveBody ? isWhole ? .length(length) : .chunked : .none
        try http.sendResponse(status: response.status, prepared: [], fields: response.headers, body: framing)
        var left = response.breaksAfter ?? .max
        if mayHaveBody {
            for (number, piece) in response.pieces.enumerated() {
                if number > 0, response.interval > .zero {
                    deliverOutput()
                    try await sleep(for: response.interval)
                }
                try http.sendData(Array(piece.prefix(left)))
                left -= min(left, piece.count)
                if left == 0 { break }
            }
        }
        if response.breaksAfter == nil { try http.sendEnd() }
        deliverOutput()
    }

    private func deliverOutput() {
        let bytes = Array(http.output)
        http.consumeOutput(bytes.count)
        deliver(bytes)
    }

    private func fail(_ error: NetError) {
        failure = error
        deliver([], .broken)
    }

    private func deliver(_ bytes: [UInt8], _ readiness: Readiness = .readable) {
        guard isOpen else { return }
        input += bytes
        // Not inside a call of the reader's: a network never answers there.
        let news = LoopBound((descriptor, readiness), on: loop)
        loop.schedule { news.value.0.signal(news.value.1) }
    }
}
