import ApusNet
import ApusRuntime
import ApusWire
import HTTPTypes
import Logging

/// One client's connection: requests one after the other, each with its response. Loop thread only.
final class ServerConnection {
    private static let readSize = 16 * 1024
    /// Pieces up to this are copied behind their head, and go out with it.
    private static let copiedPiece = 64 * 1024
    /// Small pieces of a body that have come together are given out together, up to about this.
    private static let mergedSize = 16 * 1024

    let core: ServerCore
    private let loop: EventLoop
    private var transport: any Transport
    private let descriptor: Descriptor
    private let http: UnsafeMutablePointer<HTTP1Connection>
    /// Of the client. Constant, and read by any thread.
    let remoteAddress: SocketAddress?
    /// Which request this is: what belongs to an earlier one is refused.
    private var cycle = 0
    private var isIdle = true
    /// Whether a byte of the next request has come.
    private var hasBegun = false
    /// The client sends no further request.
    private var hasEnded = false
    private var headDeadline: Int64 = .max
    private var isReading = false
    private var hasAnswered = false
    private var mustAnnounceContinue = false
    var mustClose = false
    private(set) var isCancelled = false
    /// The connection's task, while it runs.
    var task: UnsafeCurrentTask?

    init(_ transport: any Transport, core: ServerCore, on loop: EventLoop) {
        self.transport = transport
        self.core = core
        self.loop = loop
        descriptor = transport.descriptor
        remoteAddress = transport.remoteAddress
        http = .allocate(capacity: 1)
        http.initialize(to: HTTP1Connection(role: .server, limits: core.configuration.limits))
    }

    deinit {
        http.deinitialize(count: 1)
        http.deallocate()
    }

    // MARK: Requests

    /// Serves requests until one side closes. Never throws: what goes wrong is answered, or logged.
    func serve() async {
        do {
            if let tls = core.tls {
                let deadline = loop.deadline(after: core.configuration.handshakeTimeout)
                transport = try await TLSTransport.accept(
                    over: transport,
                    context: tls,
                    protocols: ["http/1.1"],
                    deadline: deadline
                )
            }
            // One for all requests: what a handler keeps of one is refused by its number.
            let bound = LoopBound(self, on: loop)
            beginWaiting()
            // One function, and nothing in it that is called with `await` unless it waits: each such call costs some 200 instructions.
            // A request of which something has come is still served when the server shuts down.
            requests: while hasBegun || !core.isShuttingDown {
                guard let request = try parseRequest(bound) else {
                    if hasEnded { break requests }
                    let outcome = await descriptor.waitReadable(deadline: headDeadline)
                    if !hasBegun, outcome == .timedOut || outcome == .closed { break requests }
                    // Without the comparison the 6.3.1 compiler crashes here in release builds, splitting the coroutine.
                    if outcome != .ready { try check(outcome, "The client sent no complete request head in time.") }
                    try receive()
                    continue
                }
                if loop.sliceIsOver { await Task.yield() }
                var response: ServerResponse
                if http.pointee.wantsTunnel {
                    response = refuseTunnel()
                } else {
                    do {
                        response = try await core.handler(request)
                    } catch {
                        response = try self.response(to: error, request)
                    }
                }
                if try !answerNow(response, request) { try await answer(response, request) }
                if try !beginNext() {
                    guard try await prepareForNext() else { break requests }
                }
                beginWaiting()
            }
            try await finish()
        } catch let error as HTTP1Error where error.isPeerFault && !hasAnswered {
            await refuse(status: error.statusHint ?? 400, "\(error.message)\n")
        } catch let error as ServerError where error.code == .timedOut && !isIdle && !hasAnswered {
            await refuse(status: 408, "\(error)\n")
        } catch {
            core.configuration.logger.debug("Connection from \(client) ended: \(error)")
        }
    }

    /// A connection without a request has ``HTTPServer/Configuration/keepAliveTimeout`` for its first byte.
    private func beginWaiting() {
        headDeadline = loop.currentTime().addingClamped(core.keepAliveNanoseconds)
        hasBegun = false
        hasAnswered = false
        isIdle = true
    }

    /// The next request, if its head has come. Nil also if none will come: ``hasEnded``.
    private func parseRequest(_ bound: LoopBound<ServerConnection>) throws -> ServerRequest? {
        if !http.pointee.hasInput { return nil }
        if let head = try http.pointee.nextRequestHead() { return begin(head, bound) }
        switch try http.pointee.next() {
        case .request(let head): return begin(head, bound)
        case .closed:
            hasEnded = true
            return nil
        case .needData: break
        case .response, .informational, .data, .end, .paused, .upgraded:
            throw ServerError(.malformedRequest, "The client's request came out of order.")
        }
        if !hasBegun, http.pointee.bufferedInputCount > 0 {
            hasBegun = true
            isIdle = false
            headDeadline = loop.deadline(after: core.configuration.headTimeout)
        }
        return nil
    }

    @inline(__always)
    private func begin(_ head: consuming HTTP1RequestHead, _ bound: LoopBound<ServerConnection>) -> ServerRequest {
        isIdle = false
        cycle += 1
        mustAnnounceContinue = head.expectsContinue
        http.pointee.endEmptyBody()
        return ServerRequest(head, body: ServerRequestBody(bound, cycle: cycle))
    }

    /// Sends a response, as far as that goes without waiting.
    ///
    /// - Returns: whether all of it is out. If not, ``answer(_:_:)`` does the rest.
    private func answerNow(_ response: ServerResponse, _ request: ServerRequest) throws -> Bool {
        if core.isShuttingDown || mustClose || willNotDrain { http.pointee.closeAfterThisMessage() }
        do {
            guard try putSmall(response) else { return false }
        } catch let error where Self.isOfTheHandler(error) {
            try replaceResponse(error, request)
        }
        return try flushNow()
    }

    /// Sends what ``answerNow(_:_:)`` has left.
    @inline(never)
    private func answer(_ response: ServerResponse, _ request: ServerRequest) async throws {
        if hasAnswered { return try await flush() }
        do {
            try await write(response)
        } catch let error where Self.isOfTheHandler(error) {
            try replaceResponse(error, request)
            try await flush()
        }
    }

    /// Puts status 500 in the place of a response that cannot be sent.
    private func replaceResponse(_ error: any Error, _ request: ServerRequest) throws {
        core.configuration.logger.error("The response to \(request.method) \(request.path) cannot be sent: \(error)")
        guard !hasAnswered else {
            transport.abort()
            throw error
        }
        mustClose = true
        http.pointee.closeAfterThisMessage()
        _ = try putSmall(.text("Internal server error\n", status: .internalServerError))
    }

    /// Whether what is left of the request's body will not be read, as far as that is known: the response must say that the
    /// connection closes (RFC 9112 §9.6), or the client sends its next request into the void.
    private var willNotDrain: Bool {
        guard http.pointee.remoteState == .sendingBody else { return false }
        // RFC 9110 §10.1.1: after a final status instead of 100 the client may or may not send its body.
        return mustAnnounceContinue || (http.pointee.remainingBodyLength ?? 0) > core.configuration.drainLimit
    }

    /// Whether the next request can follow at once: most have no body of which something is left.
    private func beginNext() throws -> Bool {
        guard !mustClose, http.pointee.canReuse, !core.isShuttingDown else { return false }
        try http.pointee.startNextCycle()
        return true
    }

    /// Reads what is left of the request's body, within reason. Returns whether another request can follow.
    private func prepareForNext() async throws -> Bool {
        // What is left of a body that nobody could read to its end is not worth another wait.
        if mustClose { return false }
        var drained = 0
        while http.pointee.remoteState == .sendingBody {
            // The client waits for a 100 that will not come, and sends no body; or it sends one that nobody wants.
            if mustAnnounceContinue { return false }
            let piece: [UInt8]?
            do {
                piece = try await nextPiece(cycle)
            } catch is ServerError {
                // The response is out, and shall arrive.
                return false
            }
            guard let piece else { break }
            drained += piece.count
            guard drained <= core.configuration.drainLimit else { return false }
        }
        guard http.pointee.canReuse else { return false }
        try http.pointee.startNextCycle()
        return !core.isShuttingDown
    }

    /// Closes so that the client gets the last response: half-close, and read (a bounded while) until it closes too. A socket that
    /// is closed with unread data sends RST, which can destroy a response that is still on its way (RFC 9112 §9.6).
    private func finish() async throws {
        transport.finishSending()
        let deadline = loop.deadline(after: .seconds(2))
        var drained = 0
        while drained < 1024 * 1024 {
            let outcome = await descriptor.waitReadable(deadline: deadline)
            guard outcome == .ready else { return }
            guard let count = try transport.receive(into: loop.scratch) else { continue }
            if count == 0 { return }
            drained += count
        }
    }

    private func refuse(status: Int, _ text: String) async {
        http.pointee.closeAfterThisMessage()
        do {
            try await write(.text(text, status: .named(status)))
            try await finish()
        } catch {
            core.configuration.logger.debug("Connection from \(client) ended: \(error)")
        }
    }

    // MARK: Bodies

    func nextPiece(_ cycle: Int) async throws -> [UInt8]? {
        guard cycle == self.cycle, !isReading else {
            throw ServerError(
                .bodyConsumed,
                "This body belongs to a request that was answered, or another task reads it."
            )
        }
        isReading = true
        defer { isReading = false }
        // In the state of error there may be a piece that was good, and then `next()` says what was not.
        guard http.pointee.remoteState == .sendingBody || http.pointee.remoteState == .error else { return nil }
        if mustAnnounceContinue {
            mustAnnounceContinue = false
            if !hasAnswered {
                try http.pointee.sendResponse(status: .continue, prepared: [], fields: [:], body: .none)
                try await flush()
            }
        }
        if loop.sliceIsOver { await Task.yield() }
        do {
            while true {
                switch try http.pointee.next() {
                case .data(let data): return http.pointee.copyWithFollowing(data, limit: Self.mergedSize).bytes
                case .end: return nil
                case .needData: break
                case .request, .response, .informational, .paused, .closed, .upgraded: return nil
                }
                let deadline = loop.deadline(after: core.configuration.bodyTimeout)
                try check(
                    await descriptor.waitReadable(deadline: deadline),
                    "The client sent nothing of the body for too long."
                )
                try receive()
            }
        } catch let error as HTTP1Error {
            mustClose = true
            throw ServerError(
                error.code.isUnexpectedEOF ? .disconnected : .malformedRequest,
                "The request's body cannot be read: \(error.message)",
                cause: error
            )
        } catch let error as NetError {
            mustClose = true
            throw ServerError(.disconnected, "The request's body cannot be read: \(error)", cause: error)
        }
    }

    func writePiece(_ bytes: [UInt8], _ cycle: Int) async throws {
        guard cycle == self.cycle else {
            throw ServerError(.bodyConsumed, "This writer belongs to a request that was answered.")
        }
        guard !bytes.isEmpty else { return }
        if loop.sliceIsOver { await Task.yield() }
        do {
            if bytes.count <= Self.copiedPiece {
                try http.pointee.sendData(bytes)
                return try await flush()
            }
            // A response to HEAD: the head says how long the body would be.
            if http.pointee.discardsBody { return try await flush() }
            try http.pointee.beginData(count: bytes.count)
            try await flush()
            try await send(bytes)
            try http.pointee.endData()
            try await flush()
        } catch let error as HTTP1Error {
            throw ServerError(.invalidResponse, "The response's body cannot be sent: \(error.message)", cause: error)
        } catch let error as NetError {
            throw ServerError(.disconnected, "The client has gone: \(error)", cause: error)
        }
    }

    /// Puts a response's head into the output.
    ///
    /// - Parameter length: the body's bytes; nil for chunks.
    /// - Returns: whether such a response can have a body.
    private func putHead(_ response: borrowing ServerResponse, length: Int?) throws -> Bool {
        let status = response.status
        guard status.code >= 200 else {
            throw ServerError(
                .invalidResponse,
                "Status \(status.code) does not end an exchange: 200 or more is needed."
            )
        }
        let isStream = if case .stream = response.body { true } else { false }
        let allowsBody = isStream || status.code != 204
        try http.pointee.sendResponse(
            status: status,
            prepared: core.prepared.lines(for: response, at: loop.now),
            fields: response.fields,
            body: !allowsBody ? .none : length.map { .length($0) } ?? .chunked
        )
        hasAnswered = true
        return allowsBody
    }

    /// Puts a response into the output, all of it, unless its body is streamed or larger than what is copied.
    private func putSmall(_ response: ServerResponse) throws -> Bool {
        switch response.body {
        case .text(let text):
            guard text.utf8.count <= Self.copiedPiece else { return false }
            let isPut: Void? = try text.utf8.withContiguousStorageIfAvailable {
                try put(response, UnsafeRawBufferPointer($0))
            }
            if isPut == nil { try Array(text.utf8).withUnsafeBytes { try put(response, $0) } }
        case .bytes(let bytes):
            guard bytes.count <= Self.copiedPiece else { return false }
            try bytes.withUnsafeBytes { try put(response, $0) }
        case .stream: return false
        }
        return true
    }

    private func put(_ response: ServerResponse, _ bytes: UnsafeRawBufferPointer) throws {
        if response.fields.isEmpty, response.status.code == 200, response.status.reasonPhrase == "OK" {
            let lines = core.prepared.lines(for: response, at: loop.now)
            if http.pointee.sendUsualResponse(prepared: lines, body: bytes) {
                hasAnswered = true
                return
            }
        }
        if try putHead(response, length: bytes.count) { try http.pointee.sendData(bytes) }
        try http.pointee.sendEnd()
    }

    private func write(_ response: ServerResponse) async throws {
        switch response.body {
        case .text(let text): try await write(response, Array(text.utf8))
        case .bytes(let bytes): try await write(response, bytes)
        case .stream(let length, let body):
            _ = try putHead(response, length: length)
            try await flush()
            do {
                try await body(ResponseWriter(connection: LoopBound(self, on: loop), cycle: cycle))
            } catch {
                // That a client leaves is its business, and must not fill the log.
                let isDeparture = (error as? ServerError)?.code == .disconnected || error is CancellationError
                core.configuration.logger.log(
                    level: isDeparture ? .debug : .error,
                    "A response's body was broken off: \(error)"
                )
                // The client must see that something is missing: no final chunk, no quiet end.
                transport.abort()
                throw error
            }
        }
        try http.pointee.sendEnd()
        try await flush()
    }

    /// Writes a response with a large body.
    private func write(_ response: ServerResponse, _ bytes: [UInt8]) async throws {
        guard try putHead(response, length: bytes.count) else { return }
        do {
            try await writePiece(bytes, cycle)
        } catch {
            // As with a stream: the client must see that something is missing.
            transport.abort()
            throw error
        }
    }

    private func flush() async throws {
        while try !flushNow() { try await waitWritable() }
    }

    /// Sends what is in the output. Returns whether all of it went; if not, there is no room now.
    private func flushNow() throws -> Bool {
        while true {
            let output = http.pointee.output
            if output.isEmpty { return true }
            guard let count = try transport.send(output) else { return false }
            http.pointee.consumeOutput(count)
        }
    }

    private func send(_ bytes: [UInt8]) async throws {
        var sent = 0
        while sent < bytes.count {
            let count = try bytes.withUnsafeBytes { try transport.send(UnsafeRawBufferPointer(rebasing: $0[sent...])) }
            if let count { sent += count } else { try await waitWritable() }
            if loop.sliceIsOver { await Task.yield() }
        }
    }

    private func waitWritable() async throws {
        let deadline = loop.deadline(after: core.configuration.bodyTimeout)
        try check(
            await descriptor.waitWritable(deadline: deadline),
            "The client took nothing of the response for too long."
        )
    }

    private func receive() throws {
        let space = http.pointee.prepareInput(minimum: Self.readSize)
        guard let count = try transport.receive(into: space) else { return }
        if count == 0 { http.pointee.receiveEOF() } else { http.pointee.commitInput(count) }
    }

    private var client: String { remoteAddress?.description ?? "a client" }

    // MARK: The end

    /// The connection's task was cancelled.
    func cancel() {
        isCancelled = true
        descriptor.endWaits(.cancelled)
    }

    /// Closes at once if no request is under way; else the current one is the last.
    func closeWhenIdle() {
        if isIdle { close() } else { http.pointee.closeAfterThisMessage() }
    }

    /// Breaks the connection off, and cancels the handler, which may wait for something else than the client.
    func abort() {
        transport.abort()
        task?.cancel()
    }

    func close() { transport.close() }
}
