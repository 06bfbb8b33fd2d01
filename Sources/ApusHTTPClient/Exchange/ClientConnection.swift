import ApusNet
import ApusRuntime
import ApusWire
import HTTPTypes

/// A connection to a server that carries one exchange at a time. Loop thread only.
///
/// What can be done without waiting is done by plain functions: each asynchronous call costs some 150 instructions in frames and
/// executor checks, and most requests wait once.
final class ClientConnection: DescriptorWatcher, DeferredWork {
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
    /// The body of the current exchange's request, while it is on its way beside the response.
    @exclusivity(unchecked) private(set) var upload: Upload?
    /// Why the upload before failed.
    @exclusivity(unchecked) private(set) var uploadFailure: (any Error)?
    /// The response is complete, the request is not: the connection is free when the upload has ended.
    @exclusivity(unchecked) private(set) var answeredBeforeUploadEnded = false
    /// A request is written at the end of the loop's slice.
    @exclusivity(unchecked) private var isDeferred = false
    /// A request whose writing was deferred has not been written, or not all of it.
    @exclusivity(unchecked) private(set) var isUnsent = false
    /// Why, if the connection broke.
    @exclusivity(unchecked) private var sendFailure: (any Error)?
    /// How long the server said that it keeps the connection.
    @exclusivity(unchecked) var keepAliveHint: Duration?
    let host: PooledHost
    /// Where it leads, and how it came about.
    let facts: ConnectionFacts
    /// The session whose exchange it carries, or carried last.
    @exclusivity(unchecked) var user: ObjectIdentifier?
    private let buffers: LentBuffers
    // The pool owns its connections, and closes them before it goes.
    unowned(unsafe) let pool: PoolCore

    init(id: ConnectionID, transport: any Transport, _ phases: ConnectPhases, host: PooledHost, pool: PoolCore) {
        self.id = id
        self.transport = transport
        facts = ConnectionFacts(transport, phases, host.forwardingProxy)
        self.host = host
        self.pool = pool
        buffers = pool.buffers
        descriptor = transport.descriptor
        http = .allocate(capacity: 1)
        http.initialize(to: HTTP1Connection(role: .client, limits: host.key.profile.limits))
    }

    deinit {
        // Once closed it has none of them, and may go on any thread.
        if !isClosed { takeBackBuffers() }
        http.deinitialize(count: 1)
        http.deallocate()
    }

    private func takeBackBuffers() {
        buffers.takeBack(from: http)
        guard isDeferred else { return }
        isDeferred = false
        buffers.release(http)
    }

    // MARK: Sending

    /// Writes a request without a body, or with a small one, as far as that goes without waiting.
    ///
    /// Where other jobs of the loop's slice follow, a short request is written behind them: see ``EventLoop/defer(_:)``.
    ///
    /// - Returns: whether all of it is written, or will be; else, or if ``isUnsent`` says so later, ``finishSending(_:)`` writes the rest.
    /// - Throws: ``HTTP1Error`` if the request cannot be sent as it is, ``NetError`` if the connection broke.
    func send(_ exchange: Exchange) throws -> Bool {
        let body = exchange.smallBody
        try sendHead(exchange, body.map { .length($0.count) } ?? .none)
        if let body { try http.pointee.sendData(body) }
        try http.pointee.sendEnd()
        let loop = descriptor.loop
        // An observer is told when the request was sent.
        if loop.gathersWork, exchange.observation == nil, buffers.keepOutput(of: http) {
            isDeferred = true
            loop.defer(self)
            return true
        }
        return try flush()
    }

    /// Writes the request that was deferred. Whoever waits for its answer is told if it could not be.
    func runDeferred() {
        // Closed meanwhile.
        guard isDeferred else { return }
        isDeferred = false
        defer { buffers.release(http) }
        do {
            if try flush() { return }
        } catch {
            sendFailure = error
        }
        isUnsent = true
        descriptor.endWaits(.ready)
    }

    /// Writes what ``send(_:)`` has left.
    ///
    /// - Returns: the head of a final response that came meanwhile. The rest is not sent if it is an error.
    func finishSending(_ exchange: Exchange) async throws -> HTTP1ResponseHead? {
        isUnsent = false
        if let sendFailure {
            self.sendFailure = nil
            throw sendFailure
        }
        var early: HTTP1ResponseHead?
        while try !flush() {
            let deadline = exchange.deadline(exchange.limits.idle)
            let outcome = await descriptor.waitWritable(deadline: deadline, orReadable: early == nil)
            try check(outcome, exchange, stage: .writeTimeout)
            guard early == nil, descriptor.mayRead else { continue }
            try receive()
            early = try nextHead()
            // RFC 9112 §9.5: a client that sees an error status should stop sending its body.
            if let early, early.statusCode >= 400 { return early }
        }
        return early
    }

    /// Puts the head of a request whose body an ``Upload`` sends into the output.
    func begin(_ exchange: Exchange, _ plan: UploadPlan) throws -> Upload {
        try sendHead(exchange, plan.framing)
        let upload = Upload(plan, exchange, on: self)
        self.upload = upload
        return upload
    }

    @inline(__always)
    private func sendHead(_ exchange: Exchange, _ body: HTTP1BodyLength) throws {
        hasReceived = false
        uploadFailure = nil
        uses += 1
        if !isClosed { buffers.lendOutput(to: http) }
        if host.usesAbsoluteForm { return try sendAbsoluteHead(exchange, body) }
        try http.pointee.sendRequest(
            method: exchange.method,
            uri: exchange.uri,
            prepared: exchange.prepared,
            fields: exchange.fields,
            body: body
        )
    }

    /// To a proxy that passes it on.
    @inline(never)
    private func sendAbsoluteHead(_ exchange: Exchange, _ body: HTTP1BodyLength) throws {
        try http.pointee.sendRequest(
            method: exchange.method,
            target: exchange.uri.absoluteTarget,
            prepared: exchange.prepared,
            fields: exchange.fields,
            body: body
        )
    }

    /// Writes what fits. False: wait for room.
    func flush() throws -> Bool {
        while true {
            let output = http.pointee.output
            if output.isEmpty { return true }
            guard let count = try transport.send(output) else { return false }
            http.pointee.consumeOutput(count)
            if count == output.count { return true }
        }
    }

    /// The upload has sent its last byte, or failed.
    func uploadEnded(_ upload: Upload) {
        guard self.upload === upload else { return }
        self.upload = nil
        uploadFailure = upload.failure
        if answeredBeforeUploadEnded {
            answeredBeforeUploadEnded = false
            descriptor.unwatch()
            pool.finished(self, isReusable: uploadFailure == nil)
        } else {
            // Whoever waits for the head: its time counts from now on, or it will not come.
            descriptor.endWaits(.ready)
        }
    }

    // MARK: Receiving

    /// What an ``Expect: 100-continue`` is answered with.
    struct Answer {
        /// The word to go on: 100.
        var isContinue = false
        /// A final response's.
        var head: HTTP1ResponseHead?

        var isSilence: Bool { !isContinue && head == nil }
    }

    /// The answer to a head that asked whether to go on, as far as it has come.
    func nextAnswer() throws -> Answer {
        while true {
            switch try http.pointee.next() {
            case .response(let head): return Answer(head: head)
            case .informational(let head): if head.statusCode == 100 { return Answer(isContinue: true) }
            case .needData: return Answer()
            case .request, .data, .end, .paused, .closed, .upgraded:
                throw ClientError(.malformedResponse, "The server's answer came out of order.")
            }
        }
    }

    /// The final response's head, if all of it has come.
    func nextHead() throws -> HTTP1ResponseHead? {
        while true {
            switch try http.pointee.next() {
            case .response(let head): return head
            case .informational(let head):
                // While a head that asks first is still being written, too.
                if head.statusCode == 100, let upload { upload.answer.isContinue = true }
            case .needData: return nil
            case .request, .data, .end, .paused, .closed, .upgraded:
                throw ClientError(.malformedResponse, "The server's answer came out of order.")
            }
        }
    }

    /// Stores what has come; does nothing if nothing has.
    func receive() throws {
        guard descriptor.mayRead else { return }
        buffers.lendInput(to: http)
        let space = http.pointee.prepareInput(minimum: LentBuffers.inputSize)
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
        if descriptor.hasEnded || !isQuiet { return false }
        return (try? http.pointee.startNextCycle()) != nil
    }

    /// A connection that was opened and not used yet: what has come on it by now answers nothing, and would be taken for the answer to
    /// the request that follows. Whoever can put bytes there would choose what it is answered with.
    ///
    /// What the network still has on its way when the request is sent cannot be told from a quick answer.
    func checkSilence(_ exchange: Exchange) throws {
        guard uses == 0, descriptor.mayRead else { return }
        var byte: UInt8 = 0
        switch try withUnsafeMutableBytes(of: &byte, { try transport.receive(into: $0) }) {
        case nil: return
        case 0?: throw exchange.error(.connectionClosed, "The server closed the connection as soon as it was made.")
        case _?:
            throw exchange.error(
                .malformedResponse,
                "The server spoke before it was asked, which no HTTP server does: another protocol may be spoken there."
            )
        }
    }

    /// Whether the server sends nothing that nobody asked for.
    private var isQuiet: Bool {
        guard descriptor.mayRead else { return true }
        var byte: UInt8 = 0
        do {
            return try withUnsafeMutableBytes(of: &byte) { try transport.receive(into: $0) } == nil
        } catch {
            return false
        }
    }

    /// Keeps the connection, whose response is complete, until the request is too: watched as an idle one is, since a server that
    /// closes or talks now takes no more of the body, and no longer than the whole request may take.
    ///
    /// - Returns: false if the server will close, or has: the rest of the body is for nobody then (RFC 9112 §9.6).
    func waitForUpload() -> Bool {
        guard let upload, upload.isRunning, !isClosed, http.pointee.mayStay, http.pointee.bufferedInputCount == 0,
            !descriptor.hasEnded, isQuiet
        else { return false }
        answeredBeforeUploadEnded = true
        descriptor.watch(self, idleDeadline: upload.totalDeadline)
        return true
    }

    /// Watches the connection while nobody uses it.
    func park(until deadline: Int64) { descriptor.watch(self, idleDeadline: deadline) }

    func unpark() { descriptor.unwatch() }

    /// While idle: the server closed, or sent what nobody asked for, or the idle time is over.
    func descriptorChanged(_ outcome: WaitOutcome) {
        // Over TLS there may be something to read and nothing to find: TLS 1.3's tickets come when they like.
        if outcome == .ready, !descriptor.hasEnded, isQuiet { return }
        if answeredBeforeUploadEnded { return pool.finished(self, isReusable: false) }
        pool.idleConnectionEnded(self)
    }

    func close() {
        guard !isClosed else { return }
        isClosed = true
        takeBackBuffers()
        descriptor.unwatch()
        transport.close()
        // Afterwards: whoever reads the response has been told by now that the connection was closed.
        upload?.cancel()
        upload = nil
    }
}

/// A stage's deadline passed: becomes a ``ClientError``.
struct StageTimeout: Error {
    var code: ClientError.Code
}
