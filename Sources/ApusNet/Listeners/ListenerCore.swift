import ApusRuntime
import Logging

/// The listening sockets of a listener, and the connections that its ``serve(_:)`` looks after. Loop thread only.
package final class ListenerCore {
    private let loop: EventLoop
    private var sockets: [ListeningSocket]
    /// Where the next look begins: one busy address must not keep the others waiting.
    private var next = 0
    /// Becomes readable when one of the sockets does: a task waits for all of them by waiting for this.
    private let bell: Descriptor
    private let name: String
    private let file: SocketFile?
    private let prepare: (Int32) -> Void
    private var isOpen = true
    private let site: CallTrace?

    /// What ``serve(_:)`` keeps count of.
    private(set) var connections = 0
    private var room: AsyncSignal?
    private var serving = 0
    private var idle: [AsyncSignal] = []
    private var finished: [AsyncSignal] = []
    /// When connections are broken off; nanoseconds of the loop's clock.
    private var graceDeadline = Int64.max
    /// Outlives a ``shutdown(grace:)`` whose caller was cancelled: the shutdown goes on.
    private var graceTimer: ScheduledCall?
    private var streams: [ObjectIdentifier: StreamCore] = [:]

    /// Takes the sockets over: on an error they are closed.
    ///
    /// - Parameters:
    ///   - name: what errors and logs call it.
    ///   - file: goes with the sockets.
    ///   - prepare: sets up each connection's socket.
    init(
        adopting fds: [Int32],
        name: String,
        file: SocketFile? = nil,
        on loop: EventLoop,
        prepare: @escaping (Int32) -> Void
    ) throws {
        self.loop = loop
        self.name = name
        site = loop.resourceSite
        self.file = file
        self.prepare = prepare
        sockets = []
        var rest = fds[...]
        do {
            bell = try loop.register(-1)
            while let fd = rest.popFirst() { sockets.append(try ListeningSocket(adopting: fd, bell: bell, on: loop)) }
        } catch {
            for fd in rest { Socket.close(fd) }
            for socket in sockets { socket.close() }
            throw error
        }
    }

    // MARK: Accepting

    func accept(deadline: Int64) async throws -> any Transport {
        while true {
            try Task.checkCancellation()
            guard isOpen else { throw closed }
            bell.readWouldBlock()
            if let transport = try await acceptHere(deadline) { return transport }
            let token = bell.token
            // The sockets are ambient (see ListeningSocket): virtual time stands still only while somebody waits for them.
            loop.beginExternalWork()
            defer { loop.endExternalWork() }
            // A socket that became ready meanwhile has rung.
            let outcome = await withTaskCancellationHandler {
                await bell.waitReadable(deadline: deadline)
            } onCancel: { [loop] in
                loop.perform { loop.endWaits(token, with: .cancelled) }
            }
            switch outcome {
            case .ready, .cancelled: continue
            case .timedOut: throw tooLate
            case .closed: throw closed
            case .busy: throw NetError(.busy, "Another task accepts on \(name): one at a time.")
            }
        }
    }

    /// A connection that waits already, if there is one.
    private func acceptHere(_ deadline: Int64) async throws -> (any Transport)? {
        var index = 0
        while isOpen, index < sockets.count {
            let socket = sockets[(next + index) % sockets.count]
            guard socket.descriptor.mayRead else {
                index += 1
                continue
            }
            switch Socket.accept(socket.fd) {
            case .connection(let fd, let peer):
                next = (next + index + 1) % sockets.count
                prepare(fd)
                let transport = try SocketTransport(adopting: fd, peer: peer, on: loop)
                transport.tellOpened("Accepted")
                return transport
            case .wouldBlock:
                socket.descriptor.readWouldBlock()
                index += 1
            case .exhausted(let code):
                let error = NetError(errno: code, while: "Accepting on \(name)")
                loop.options.logger.warning("\(error) The listener pauses for 1 s.")
                try await pause(noLongerThan: deadline)
            case .failed(let code):
                throw NetError(errno: code, while: "Accepting on \(name)")
            }
        }
        return nil
    }

    /// One second, less if the listener is closed meanwhile: asyncio's ACCEPT_RETRY_DELAY.
    private func pause(noLongerThan deadline: Int64) async throws {
        let token = bell.token
        // Writers of the bell are these pauses only, and nobody rings for them but a close.
        bell.writeWouldBlock()
        let outcome = await withTaskCancellationHandler {
            await bell.waitWritable(deadline: min(deadline, loop.deadline(after: .seconds(1))))
        } onCancel: { [loop] in
            loop.perform { loop.endWaits(token, with: .cancelled) }
        }
        try Task.checkCancellation()
        if outcome == .busy { throw NetError(.busy, "Another task accepts on \(name): one at a time.") }
        if deadline <= loop.deadline(after: .zero) { throw tooLate }
    }

    private var tooLate: NetError {
        NetError(.timedOut, "No connection was accepted on \(name) in the time that was allowed.")
    }

    private var closed: NetError { NetError(.closed, "The listener on \(name) was closed.") }

    /// Stops listening. Connections go on.
    func close() {
        guard isOpen else { return }
        isOpen = false
        // The file first: who comes now finds nothing, instead of a socket that refuses.
        file?.remove()
        for socket in sockets { socket.close() }
        bell.release()
        room?.fire()
    }

    /// The last reference to the listener is gone.
    func drop() {
        guard isOpen else { return }
        loop.reportUnclosed("The listener on \(name)", madeAt: site)
        close()
    }

    // MARK: Serving

    /// What a connection is given to: the public stream type is made of the core.
    typealias Handler = @Sendable (StreamHandle) async throws -> Void

    /// Runs `handler` for each connection, in a child task of its own, until the listener is closed; then awaits them.
    ///
    /// - Parameter limit: connections at a time; more wait in the system's backlog.
    func serve(limit: Int, _ handler: @escaping Handler) async throws {
        guard isOpen else { throw closed }
        serving += 1
        defer {
            serving -= 1
            if serving == 0 {
                graceTimer?.cancel()
                graceTimer = nil
                fire(&finished)
            }
        }
        let bound = LoopBound(self, on: loop)
        try await withThrowingDiscardingTaskGroup { group in
            do {
                while isOpen {
                    if connections >= limit {
                        let signal = AsyncSignal()
                        room = signal
                        await signal.wait(on: loop)
                        try Task.checkCancellation()
                        continue
                    }
                    let transport = try await accept(deadline: .max)
                    let stream = LoopBound(StreamCore(transport, on: loop, isServed: true), on: loop)
                    begin(stream.value)
                    group.addTask { await bound.value.run(stream, handler) }
                    await loop.yieldIfSliceIsOver()
                }
            } catch let error as NetError where error.code == .closed && !isOpen {
                // Somebody closed the listener: an end, not a failure.
            }
            await awaitConnections()
            // Whoever is left has had the time that `shutdown` gave.
            group.cancelAll()
            for stream in streams.values { stream.abort() }
        }
        try Task.checkCancellation()
    }

    private func begin(_ stream: StreamCore) {
        connections += 1
        streams[ObjectIdentifier(stream)] = stream
    }

    private func run(_ stream: LoopBound<StreamCore>, _ handler: Handler) async {
        let core = stream.value
        let tracking = loop.tracking("\(name): connection of \(peer(of: core))")
        defer { tracking?.end() }
        // The handler's stream may be gone, and so closed, when its error comes.
        let fd = core.transport.descriptor.fd
        do {
            try await core.guarding { try await handler(StreamHandle(core, on: loop)) }
        } catch {
            report(error, from: core, fd)
        }
        core.close()
        connections -= 1
        streams[ObjectIdentifier(core)] = nil
        room?.fire()
        room = nil
        if connections == 0 { fire(&idle) }
    }

    /// A handler's error ends its connection, not the server: asyncio's rule. That peers go away is no news.
    private func report(_ error: any Error, from stream: StreamCore, _ fd: Int32) {
        let peer = peer(of: stream)
        switch error {
        case is CancellationError: return
        case let failure as HandshakeFailure:
            if failure.cause is CancellationError { return }
            loop.options.logger.debug("No TLS on the connection of \(peer) to \(name): \(failure.cause)")
        case let error as NetError
        where [.connectionReset, .brokenPipe, .unexpectedEnd, .closed, .timedOut].contains(error.code):
            loop.options.logger.debug("The connection of \(peer) to \(name) ended: \(error)")
        default:
            var report = UnhandledError(
                message: "The handler of the connection of \(peer) to \(name) threw an error",
                error: error,
                advice: "It ended the connection, and not the server. Catch it in the handler.",
                loop: loop.name
            )
            report.fileDescriptor = fd
            loop.report(report)
        }
    }

    private func peer(of stream: StreamCore) -> String {
        stream.transport.remoteAddress?.description ?? "a peer"
    }

    /// Waits until all connections have ended, or the grace of ``shutdown(grace:)`` is over.
    private func awaitConnections() async {
        while connections > 0, !Task.isCancelled, loop.deadline(after: .zero) < graceDeadline {
            let signal = AsyncSignal()
            idle.append(signal)
            await signal.wait(on: loop)
        }
    }

    /// Stops listening, and returns when ``serve(_:)`` has; what is left after `grace` is cancelled and broken off.
    func shutdown(grace: Duration?) async {
        close()
        graceDeadline = min(graceDeadline, loop.deadline(after: grace))
        let bound = LoopBound(self, on: loop)
        if let grace, serving > 0, graceTimer.map({ _ in loop.deadline(after: grace) <= graceDeadline }) ?? true {
            graceTimer?.cancel()
            graceTimer = loop.schedule(after: grace) { bound.value.endGrace() }
        }
        while serving > 0 {
            let signal = AsyncSignal()
            finished.append(signal)
            await signal.wait(on: loop)
            // A caller who was cancelled does not wait for the end; the shutdown goes on.
            if Task.isCancelled { return }
        }
    }

    private func endGrace() { fire(&idle) }

    private func fire(_ signals: inout [AsyncSignal]) {
        let waiting = signals
        signals = []
        for signal in waiting { signal.fire() }
    }
}

/// A listening descriptor, which rings the bell of its listener. Loop thread only.
private final class ListeningSocket: DescriptorWatcher {
    let fd: Int32
    let descriptor: Descriptor
    private let bell: Descriptor
    private var isOpen = true

    init(adopting fd: Int32, bell: Descriptor, on loop: EventLoop) throws {
        self.fd = fd
        self.bell = bell
        do {
            // It is watched all the time, also while nobody wants a connection: not what virtual time should stand still for.
            descriptor = try loop.register(fd, isAmbient: true)
        } catch {
            Socket.close(fd)
            throw error
        }
        descriptor.watch(self, idleDeadline: .max)
    }

    func descriptorChanged(_ outcome: WaitOutcome) { bell.signal(.readable) }

    func close() {
        guard isOpen else { return }
        isOpen = false
        descriptor.unwatch()
        descriptor.release()
        Socket.close(fd)
    }
}
