/// Something that happens once, on the loop's thread, and that one task waits for. Loop thread only.
package final class AsyncSignal {
    private var continuation: UnsafeContinuation<Void, Never>?
    package private(set) var hasFired = false

    package init() {}

    package func fire() {
        hasFired = true
        continuation?.resume()
        continuation = nil
    }

    /// Waits for ``fire()``; ends early when the task is cancelled.
    ///
    /// Cancel safety: as if it had happened; ask the task whether it was cancelled.
    package func wait(on loop: EventLoop) async {
        let bound = LoopBound(self, on: loop)
        await withTaskCancellationHandler {
            await withUnsafeContinuation { continuation in
                if hasFired || Task.isCancelled { continuation.resume() } else { self.continuation = continuation }
            }
        } onCancel: {
            bound.perform { $0.fire() }
        }
    }
}
