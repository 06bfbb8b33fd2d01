package import ApusRuntime

/// TLS over another transport: a transport itself, so that TLS inside TLS works too. Loop thread only.
package final class TLSTransport: Transport {
    let lower: any Transport
    private let engine: any TLSEngine
    private let loop: EventLoop
    package private(set) var descriptor: Descriptor
    private var isOpen = true
    private var hasFinishedSending = false
    /// Whether a task does what was left when one of the two ends was asked for.
    private var isEnding = false
    /// Whether everything is sent after a close, and the peer's end is waited for.
    private var isLingering = false
    /// Bytes that came meanwhile.
    private var droppedCount = 0

    /// How long a peer may delay the end of a connection that was closed here: it owes us to read what was written and TLS's own end, and
    /// to end its side, before the descriptor goes.
    static let closeLimit = Duration.seconds(10)
    /// What a peer may send in that time. One that goes on has not heard of the end, or does not care: it is broken off.
    private static let dropLimit = 1024 * 1024

    private init(_ lower: any Transport, _ engine: any TLSEngine) {
        self.lower = lower
        self.engine = engine
        descriptor = lower.descriptor
        loop = lower.descriptor.loop
    }

    /// Shakes hands as a client.
    ///
    /// - Parameters:
    ///   - scope: tickets of earlier connections are used within it only; nil for the peer's port. For connections through proxies, whose
    ///     other end is not the server.
    ///   - deadline: nanoseconds of the loop's clock, `Int64.max` for none.
    /// - Throws: ``TLSError``; ``NetError``; `CancellationError` when the wait was ended by ``Descriptor/endWaits(_:)`` or the task was
    ///   cancelled. `lower` is closed then.
    package static func connect(
        over lower: any Transport,
        host: String,
        configuration: TLSConfiguration,
        scope: String? = nil,
        deadline: Int64
    ) async throws -> TLSTransport {
        try await start(lower, deadline, peer: host) {
            try TLSEngines.client(over: lower, host: host, scope: scope, configuration)
        }
    }

    /// Shakes hands as a server: see ``connect(over:host:configuration:deadline:)``.
    ///
    /// - Parameter protocols: to accept by ALPN where the configuration names none.
    package static func accept(
        over lower: any Transport,
        configuration: TLSServerConfiguration,
        protocols: [String] = [],
        deadline: Int64
    ) async throws -> TLSTransport {
        try await accept(over: lower, .configuration(configuration), protocols: protocols, deadline: deadline)
    }

    /// Shakes hands as a server: see ``connect(over:host:configuration:deadline:)``.
    ///
    /// - Parameter protocols: to accept by ALPN where the context's configuration names none.
    package static func accept(
        over lower: any Transport,
        context: TLSServerContext,
        protocols: [String] = [],
        deadline: Int64
    ) async throws -> TLSTransport {
        try await accept(over: lower, .context(context), protocols: protocols, deadline: deadline)
    }

    static func accept(
        over lower: any Transport,
        _ settings: TLSServerSettings,
        protocols: [String] = [],
        deadline: Int64
    ) async throws -> TLSTransport {
        let peer = lower.remoteAddress?.description ?? "the client"
        return try await start(lower, deadline, peer: peer) {
            try TLSEngines.server(over: lower, settings, protocols: protocols)
        }
    }

    private static func start(
        _ lower: any Transport,
        _ deadline: Int64,
        peer: String,
        _ makeEngine: () throws -> any TLSEngine
    ) async throws -> TLSTransport {
        do {
            let transport = TLSTransport(lower, try makeEngine())
            let loop = lower.descriptor.loop
            let token = lower.descriptor.token
            try await withTaskCancellationHandler {
                try await transport.shakeHands(deadline, peer: peer)
            } onCancel: {
                loop.perform { loop.endWaits(token, with: .cancelled) }
            }
            return transport
        } catch {
            lower.close()
            throw error
        }
    }

    private func shakeHands(_ deadline: Int64, peer: String) async throws {
        while true {
            let outcome: WaitOutcome
            switch try advanceHandshake(peer: peer) {
            case .done: return notePending()
            case .wantsRead: outcome = await descriptor.waitReadable(deadline: deadline)
            case .wantsWrite: outcome = await descriptor.waitWritable(deadline: deadline)
            }
            switch outcome {
            case .ready:
                // A peer that sends without end, a byte at a time, must not keep the loop.
                if deadline != .max, loop.deadline(after: .zero) >= deadline { throw Self.tooSlow(peer) }
                await loop.yieldIfSliceIsOver()
            case .timedOut: throw Self.tooSlow(peer)
            case .cancelled: throw CancellationError()
            case .closed, .busy: throw NetError(.closed, "The connection was closed during the TLS handshake.")
            }
        }
    }

    private static func tooSlow(_ peer: String) -> TLSError {
        TLSError(.timedOut, "The TLS handshake with \(peer) took longer than was allowed.")
    }

    private func advanceHandshake(peer: String) throws -> TLSProgress {
        do throws(TLSError) {
            return try engine.handshake()
        } catch {
            guard let lowerError = engine.transportError else { throw error }
            throw lowerError.during("The TLS handshake with \(peer) failed")
        }
    }

    /// What was agreed on.
    package var info: TLSInfo { engine.info }

    // MARK: Transport

    package func receive(into buffer: UnsafeMutableRawBufferPointer) throws(NetError) -> Int? {
        guard isOpen else { throw Self.closed }
        do throws(TLSError) {
            guard let count = try engine.read(into: buffer) else {
                if engine.hasStoppedShort { readInNextPass() }
                return nil
            }
            // An end is there for every later read too, whatever the transport below has to say.
            if count == 0 { lower.descriptor.noteReadable() } else { notePending() }
            return count
        } catch {
            lower.descriptor.noteReadable()
            throw engine.transportError
                ?? NetError(
                    error.code == .truncated ? .unexpectedEnd : .connectionReset,
                    error.description,
                    cause: error
                )
        }
    }

    package func send(_ bytes: UnsafeRawBufferPointer) throws(NetError) -> Int? {
        guard isOpen else { throw Self.closed }
        guard !hasFinishedSending else {
            throw NetError(.brokenPipe, "This side has said already that it writes no more.")
        }
        do throws(TLSError) {
            return try engine.write(bytes)
        } catch {
            // It may have looked at what came, for the reason.
            lower.descriptor.noteReadable()
            let code: NetError.Code = error.code == .alert ? .connectionReset : .brokenPipe
            throw engine.transportError ?? NetError(code, error.description, cause: error)
        }
    }

    /// A record for many small pieces, instead of one for each.
    package func send(vector pieces: [UnsafeRawBufferPointer]) throws(NetError) -> Int? {
        guard let first = pieces.first(where: { !$0.isEmpty }) else { return 0 }
        let record = UnsafeMutableRawBufferPointer(rebasing: loop.scratch[..<Self.recordSize])
        guard first.count < record.count else { return try send(first) }
        var count = 0
        for piece in pieces where count < record.count {
            let part = UnsafeRawBufferPointer(rebasing: piece.prefix(record.count - count))
            UnsafeMutableRawBufferPointer(rebasing: record[count...]).copyMemory(from: part)
            count += part.count
        }
        return try send(UnsafeRawBufferPointer(rebasing: record[..<count]))
    }

    /// What a record holds at most (RFC 8446 §5.1).
    private static let recordSize = 16_384

    package func abandonSend() { engine.abandonWrite() }

    /// The system's descriptor knows nothing of what OpenSSL has read ahead. Only after a read that found something: the rest may be
    /// a part of a record, and the read that finds nothing has asked the transport, which then waits as usual.
    private func notePending() {
        if engine.hasPending { lower.descriptor.noteReadable() }
    }

    /// There is more to read, after everybody else has had a turn: a reader that finds nothing waits, and is woken.
    private func readInNextPass() {
        lower.descriptor.readWouldBlock()
        let bound = LoopBound(self, on: loop)
        loop.schedule { bound.value.lower.descriptor.signal(.readable) }
    }

    package func finishSending() {
        guard isOpen, !hasFinishedSending else { return }
        hasFinishedSending = true
        engine.closeNotify()
        end()
    }

    package func close() {
        guard isOpen else { return }
        isOpen = false
        engine.closeNotify()
        end()
    }

    package func abort() {
        // What was closed before has ended in order, unless that is still under way.
        guard isOpen || isEnding else { return }
        isOpen = false
        lower.abort()
    }

    private static var closed: NetError { NetError(.closed, "The connection was closed on this side.") }

    package var remoteAddress: SocketAddress? { lower.remoteAddress }
    package var localAddress: SocketAddress? { lower.localAddress }

    // MARK: Ending

    /// Ends the transport below as this one has ended: once everything is sent and, if a close could take it away from the peer, the peer
    /// has ended too.
    private func end() {
        let isOver = engine.flush() && (isOpen || !lingers())
        guard !isOver, !engine.hasFailed, loop.closedError == nil, let gone = try? loop.register(-1) else {
            return endLower()
        }
        let token = lower.descriptor.token
        gone.release()
        if !isOpen {
            // To everybody else it is closed from now on.
            descriptor = gone
            lower.descriptor.unwatch()
            loop.endWaits(token, with: .closed)
        } else {
            // A writer that waits has to hear of it.
            loop.endWaits(token, with: .ready, reading: false)
        }
        guard !isEnding else { return }
        isEnding = true
        let bound = LoopBound(self, on: loop)
        let loop = loop
        loop.startDetached {
            await withTaskCancellationHandler {
                await bound.value.finishEnding()
            } onCancel: {
                loop.perform { loop.endWaits(token, with: .cancelled) }
            }
        }
    }

    private func endLower() {
        // Half-closing ends with close_notify (RFC 8446 §6.1). A FIN besides tells the peer nothing new, and nginx takes it for a client that has
        // gone: it drops the request.
        if !isOpen { lower.close() }
    }

    /// Begins the last part of a close, when all is sent: a peer sends without being asked (the tickets of TLS 1.3, its own close_notify),
    /// and a socket that is closed with that unread, or before it, breaks off and takes away what the peer has not read.
    ///
    /// Returns whether there is something to wait for: not if the peer has ended already.
    private func lingers() -> Bool {
        guard lower.mayResetOnClose else { return false }
        if !isLingering { lower.finishSending() }
        isLingering = true
        return drain() && droppedCount < Self.dropLimit
    }

    /// Throws away what has come. Returns whether more may.
    private func drain() -> Bool {
        do throws(NetError) {
            // A few calls: the last records and then the end are there together.
            for _ in 0..<4 {
                guard let count = try lower.receive(into: loop.scratch) else { return true }
                if count == 0 { return false }
                if isLingering { droppedCount += count }
            }
            return true
        } catch {
            return false
        }
    }

    /// Sends what is left and then, for a close, waits for the peer's end.
    private func finishEnding() async {
        var deadline = Int64.max
        var mayDrain = true
        while !Task.isCancelled, lower.descriptor.isOpen {
            let hasSentAll = engine.flush()
            if hasSentAll, isOpen { break }
            if !isOpen {
                if deadline == .max { deadline = loop.deadline(after: Self.closeLimit) }
                // The peer may be closing too, and wait for us to read.
                if mayDrain { mayDrain = hasSentAll ? lingers() : drain() }
                if hasSentAll, !mayDrain { break }
                // What is sent goes on its way without us.
                if loop.deadline(after: .zero) >= deadline { return hasSentAll ? endLower() : lower.abort() }
            }
            await loop.yieldIfSliceIsOver()
            let outcome =
                hasSentAll
                ? await lower.descriptor.waitReadable(deadline: deadline)
                : await lower.descriptor.waitWritable(deadline: deadline, orReadable: !isOpen && mayDrain)
            switch outcome {
            // `.closed` is also how `close()` ends the wait for a half-close.
            case .ready, .cancelled, .closed, .timedOut: break
            // The reader or writer that was there before: it has been told.
            case .busy: await Task.yield()
            }
        }
        // The loop ends, and does not wait: at least what has come breaks nothing off.
        if !isOpen, Task.isCancelled, lower.descriptor.isOpen { _ = drain() }
        isEnding = false
        endLower()
    }
}
