import CApus

/// A loop on a thread of its own, until it is told to end: one member of a ``LoopGroup``.
final class LoopThread: Sendable {
    private struct State {
        var hasEnded = false
        var waiter: UnsafeContinuation<Void, Never>?
    }

    let loop: EventLoop
    private let state = ForkSafeLock(State())

    init(_ options: EventLoop.Options) throws(LoopError) {
        loop = try EventLoop(options)
        do {
            try startThread(name: options.name) { self.run() }
        } catch {
            loop.close()
            throw error
        }
    }

    private func run() {
        apus_set_current_loop(Unmanaged.passUnretained(loop).toOpaque())
        loop.startMonitor()
        loop.turn()
        loop.windUp()
        loop.close()
        apus_set_current_loop(nil)
        let waiter = state.withLock { state in
            state.hasEnded = true
            return state.waiter
        }
        waiter?.resume()
    }

    /// Ends the loop's turn; what is left on it is cancelled and awaited.
    func stop() {
        loop.perform { [loop] in loop.state.pointee.isFinished = true }
    }

    /// Waits until the thread is through; one waits. Cancelling does not end the wait.
    func waitUntilEnded() async {
        await withUnsafeContinuation { continuation in
            let hasEnded = state.withLock { state in
                if !state.hasEnded { state.waiter = continuation }
                return state.hasEnded
            }
            if hasEnded { continuation.resume() }
        }
    }
}
