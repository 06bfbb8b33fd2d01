import ApusRuntime

/// One request on its way: what its one cancellation handler names. Loop thread only, except for ``cancel()``.
// @unchecked: everything mutable is touched on the loop's thread.
final class Exchange: @unchecked Sendable {
    /// What the request waits for, so that a cancellation can end the wait.
    enum Waiting {
        case nothing
        case descriptor(UInt64)
        case pool(WaiterID)
    }

    unowned(unsafe) let loop: EventLoop
    let core: SessionCore
    var waiting = Waiting.nothing
    /// The deadline of the whole request, in nanoseconds of the loop's clock.
    let totalDeadline: Int64

    init(core: SessionCore, totalDeadline: Int64) {
        self.core = core
        loop = core.loop
        self.totalDeadline = totalDeadline
    }

    /// Ends the current wait. Safe from any thread. The waits look at `Task.isCancelled` themselves before they begin.
    func cancel() {
        loop.perform {
            switch self.waiting {
            case .nothing: break
            case .descriptor(let token): self.loop.endWaits(token, with: .cancelled)
            case .pool(let waiter): self.core.stopWaiting(waiter, with: .cancelled)
            }
        }
    }

    /// `timeout` from now, but never after the end of the whole request.
    func deadline(_ timeout: Duration?) -> Int64 {
        guard let timeout else { return totalDeadline }
        return min(totalDeadline, loop.now.addingClamped(timeout.clampedNanoseconds))
    }

    /// The code of a deadline that passed: the stage's, unless it was the whole request's.
    func code(_ stage: ClientError.Code) -> ClientError.Code {
        totalDeadline <= loop.now ? .totalTimeout : stage
    }
}
