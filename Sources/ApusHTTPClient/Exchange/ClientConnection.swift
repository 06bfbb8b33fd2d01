import ApusNet
import ApusRuntime
import ApusWire
import HTTPTypes

/// A connection to a server that carries one exchange at a time. Loop thread only.
///
/// What can be done without waiting is done by plain functions: each asynchronous call costs some 150 instructions in frames and
/// executor checks, and most requests wait once.
final class ClientConnection: DescriptorWatcher {
    /// One read's worth: a head, and most small bodies with it.
    private static let readSize = 16 * 1024
    /// Bodies up to this go out in one piece with their head: copying is cheaper than a second system call.
    private static let copiedBody = 64 * 1024

    let id: ConnectionID
    let transport: any Transport
    let descriptor: Descriptor
    /// Behind a pointer: no exclusivity checks, and one place in memory.
    let http: UnsafeMutablePointer<HTTP1Connection>
    /// Exchanges begun on this connection.
    @exclusivity(unchecked) private(set) var uses = 0
    /// Whether a byte of the current exchange's response has come.
    @exclusivity(unchecked) private(set) var hasReceived = false
    @exclusivity(unchecked) private(set) var isClosed = false
    /// A final response's head that came before the request was written.
    @exclusivity(unchecked) private var earlyHead: HTTP1ResponseHead?
    /// How long the server said that it keeps the connection.
    @exclusivity(unchecked) var keepAliveHint: Duration?
    /// Where it leads, and how it came about.
    @exclusivity(unchecked) var facts: ConnectionFacts?
    // The core owns its connections, and closes them before it goes.
    unowned(unsafe) let core: SessionCore

    init(id: ConnectionID, transport: any Transport, core: SessionCore) {
        self.id = id
        self.transport = transport
        self.core = core
        descriptor = transport.descriptor
        http = .allocate(capacity: 1)
        http.initialize(to: HTTP1Connection(role: .client, limits: core.configuration.limits))
    }

    deinit {
        http.deinitialize(count: 1)
        http.deallocate()
    }

    // MARK: Sending

    /// Writes the request, as far as that goes without waiting.
    ///
    /// - Returns: whether all of it is written; else ``finishSending(_:)`` writes the rest.
    /// - Throws: ``HTTP1Error`` if the request cannot be sent as it is, ``NetError`` if the connection broke.
    func send(_ exchange: Exchange) throws -> Bool {
        hasReceived = false
        earlyHead = nil
        uses += 1
        let body = exchange.body?.bytes
        try http.pointee.sendRequest(
            method: exchange.method,
            target: exchange.uri.target,
            prepared: exchange.prepared,
            fields: exchange.fields,
            body: body.map { .length($0.count) } ?? .none
        )
        if let body {
            guard body.count <= Self.copiedBody else {
                try http.pointee.beginData(count: body.count)
                return false
            }
            try http.pointee.sendData(body)
        }
        try http.pointee.sendEnd()
        return try flush()
    }

    /// Writes what ``send(_:)`` has left.
    func finishSending(_ exchange: Exchange) async throws {
        while try !flush() { try await waitWritable(exchange) }
        guard let body = exchange.body?.bytes, body.count > Self.copiedBody else { return }
        var sent = 0
        while sent < body.count {
            let count = try body.withUnsafeBytes { try transport.send(UnsafeRawBufferPointer(rebasing: $0[sent...])) }
            if let count { sent += count } else { try await waitWritable(exchange) }
            await core.loop.yieldIfSliceIsOver()
        }
        try http.pointee.endData()
        try http.pointee.sendEnd()
        while try !flush() { try await waitWritable(exchange) }
    }

    private func flush() throws -> Bool {
        while true {
            let output = http.pointee.output
            if output.isEmpty { return true }
            guard let count = try transport.send(output) else { return false }
            http.pointee.consumeOutput(count)
            if count == output.count { return true }
        }
    }

    private func waitWritable(_ exchange: Exchange) async throws {
        let deadline = exchange.deadline(exchange.limits.idle)
        let outcome = await descriptor.waitWritable(deadline: deadline, orReadable: earlyHead == nil)
        try check(outcome, exchange, stage: .writeTimeout)
        guard earlyHead == nil, descriptor.mayRead else { return }
        try receive()
        earlyHead = try nextHead()
        // RFC 9112 §9.5: a client that sees an error status should stop sending its body.
        if let head = earlyHead, head.statusCode >= 400 { throw AnsweredEarly() }
    }

    /// The response's head, if it came while the request was being written.
    func takeEarlyHead() -> HTTP1ResponseHead? {
        defer { earlyHead = nil }
        return earlyHead
    }

    // MARK: Receiving

    /// The final response's head, if all of it has come.
    func nextHead() throws -> HTTP1ResponseHead? {
        while true {
            switch try http.pointee.next() {
            case .response(let head): return head
            case .informational: continue
            case .needData: return nil
            case .request, .data, .end, .paused, .closed, .upgraded:
                throw ClientError(.malformedResponse, "The server's answer came out of order.")
            }
        }
    }

    /// Stores what has come; does nothing if nothing has.
    func receive() throws {
        guard descriptor.mayRead else { return }
        let space = http.pointee.prepareInput(minimum: Self.readSize)
        guard let count = try transport.receive(into: space) else { return }
        if count == 0 {
            http.pointee.receiveEOF()
        } else {
            hasReceived = true
            http.pointee.commitInput(count)
        }
    }

    func check(_ outcome: WaitOutcome, _ exchange: Exchange, stage: ClientError.Code) throws {
        switch outcome {
        case .ready: return
        case .timedOut: throw StageTimeout(code: exchange.code(stage))
        case .cancelled: throw CancellationError()
        case .closed, .busy: throw NetError(.closed, "The connection was closed on this side.")
        }
    }

    // MARK: Between exchanges

    /// Whether another exchange can follow, as far as both sides have said and this side can see without waiting.
    func canReuse() -> Bool {
        // Output is left if a write failed and the server answered all the same.
        guard !isClosed, http.pointee.canReuse, http.pointee.output.isEmpty, descriptor.isOpen else { return false }
        // The end of the stream may have come with the last byte of the body: it will not be announced again.
        if descriptor.hasEnded { return false }
        if descriptor.mayRead {
            var byte: UInt8 = 0
            do {
                guard try withUnsafeMutableBytes(of: &byte, { try transport.receive(into: $0) }) == nil else {
                    return false
                }
            } catch {
                return false
            }
        }
        return (try? http.pointee.startNextCycle()) != nil
    }

    /// Watches the connection while nobody uses it.
    func park(until deadline: Int64) { descriptor.watch(self, idleDeadline: deadline) }

    func unpark() { descriptor.unwatch() }

    /// While idle: the server closed, or sent what nobody asked for, or the idle time is over.
    func descriptorChanged(_ outcome: WaitOutcome) { core.idleConnectionEnded(self) }

    func close() {
        guard !isClosed else { return }
        isClosed = true
        descriptor.unwatch()
        transport.close()
    }
}

/// The server refused the request before it had taken all of it: the rest is not sent.
struct AnsweredEarly: Error {}

/// A stage's deadline passed: becomes a ``ClientError``.
struct StageTimeout: Error {
    var code: ClientError.Code
}
