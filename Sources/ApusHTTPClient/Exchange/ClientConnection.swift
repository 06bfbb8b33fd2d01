import ApusNet
import ApusRuntime
import ApusWire
import HTTPTypes

/// A connection to a server that carries one exchange at a time. Loop thread only.
final class ClientConnection: DescriptorWatcher {
    /// One read's worth: a head, and most small bodies with it.
    private static let readSize = 16 * 1024
    /// Bodies up to this go out in one piece with their head: copying is cheaper than a second system call.
    private static let copiedBody = 64 * 1024

    let id: ConnectionID
    let host: HostRecord
    let transport: any Transport
    let descriptor: Descriptor
    /// Behind a pointer: no exclusivity checks, and one place in memory.
    let http: UnsafeMutablePointer<HTTP1Connection>
    /// Exchanges begun on this connection.
    var uses = 0
    /// Whether a byte of the current exchange's response has come.
    private(set) var hasReceived = false
    private(set) var isClosed = false
    /// How long the server said that it keeps the connection.
    var keepAliveHint: Duration?
    // The core owns its connections, and closes them before it goes.
    unowned let core: SessionCore

    init(id: ConnectionID, host: HostRecord, transport: any Transport, core: SessionCore) {
        self.id = id
        self.host = host
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

    /// Writes the request.
    ///
    /// - Throws: ``HTTP1Error`` if the request cannot be sent as it is (the connection is then as good as before), ``NetError`` if the
    ///   connection broke, ``StageTimeout``, `CancellationError`.
    func send(_ request: PreparedRequest, _ exchange: Exchange, idle: Duration?) async throws {
        hasReceived = false
        uses += 1
        let body = request.body?.bytes
        try http.pointee.sendRequest(
            method: request.method,
            target: request.target,
            prepared: request.prepared,
            fields: request.fields,
            body: body.map { .length($0.count) } ?? .none
        )
        guard let body else {
            try http.pointee.sendEnd()
            return try await flush(exchange, idle: idle)
        }
        if body.count <= Self.copiedBody {
            try http.pointee.sendData(body)
            try http.pointee.sendEnd()
            return try await flush(exchange, idle: idle)
        }
        try http.pointee.beginData(count: body.count)
        try await flush(exchange, idle: idle)
        var sent = 0
        while sent < body.count {
            let count = try body.withUnsafeBytes { try transport.send(UnsafeRawBufferPointer(rebasing: $0[sent...])) }
            if let count { sent += count } else { try await waitWritable(exchange, idle: idle) }
        }
        try http.pointee.endData()
        try http.pointee.sendEnd()
        try await flush(exchange, idle: idle)
    }

    private func flush(_ exchange: Exchange, idle: Duration?) async throws {
        while http.pointee.output.count > 0 {
            if let count = try transport.send(http.pointee.output) {
                http.pointee.consumeOutput(count)
            } else {
                try await waitWritable(exchange, idle: idle)
            }
        }
    }

    private func waitWritable(_ exchange: Exchange, idle: Duration?) async throws {
        try check(await descriptor.waitWritable(deadline: exchange.deadline(idle)), exchange, stage: .writeTimeout)
    }

    // MARK: Receiving

    /// Reads up to the final response's head.
    ///
    /// - Throws: ``HTTP1Error``, ``NetError``, ``StageTimeout``, `CancellationError`.
    func receiveHead(_ exchange: Exchange, deadline: Int64) async throws -> HTTP1ResponseHead {
        while true {
            switch try http.pointee.next() {
            case .response(let head): return head
            case .informational: continue
            case .needData: try await receive(exchange, deadline: deadline, stage: .headTimeout)
            case .request, .data, .end, .paused, .closed, .upgraded:
                throw ClientError(.malformedResponse, "The server's answer came out of order.")
            }
        }
    }

    /// Waits for bytes, and stores them.
    func receive(_ exchange: Exchange, deadline: Int64, stage: ClientError.Code) async throws {
        // After a request has been written there is nothing to read yet: no system call that is sure to say EAGAIN.
        while true {
            if descriptor.mayRead {
                let space = http.pointee.prepareInput(minimum: Self.readSize)
                if let count = try transport.receive(into: space) {
                    if count == 0 {
                        http.pointee.receiveEOF()
                    } else {
                        hasReceived = true
                        http.pointee.commitInput(count)
                    }
                    return
                }
            }
            try check(await descriptor.waitReadable(deadline: deadline), exchange, stage: stage)
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
        guard !isClosed, http.pointee.canReuse, descriptor.isOpen else { return false }
        // The end of the stream may have come with the last byte of the body: it will not be announced again.
        if descriptor.hasEnded { return false }
        if descriptor.mayRead {
            var byte: UInt8 = 0
            let isSilent = withUnsafeMutableBytes(of: &byte) { (try? transport.receive(into: $0)) == .some(nil) }
            if !isSilent { return false }
        }
        return (try? http.pointee.startNextCycle()) != nil
    }

    /// Watches the connection while nobody uses it.
    func park(until deadline: Int64) {
        descriptor.watch(self, idleDeadline: deadline)
    }

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

/// A stage's deadline passed: becomes a ``ClientError``.
struct StageTimeout: Error {
    var code: ClientError.Code
}
