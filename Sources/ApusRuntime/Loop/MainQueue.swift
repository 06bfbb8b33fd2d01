import CApus
import Glibc

/// Serves the main actor on a loop that runs on the process's main thread.
///
/// The main actor's executor is libdispatch's main queue. On Linux libdispatch gives CoreFoundation an eventfd that becomes
/// readable when the queue has work, and a function that does the work; the loop watches that descriptor as one more. Without
/// this, every `await` of a `@MainActor` function inside `EventLoop.run` would wait for ever.
final class MainQueue: DescriptorWatcher {
    private let descriptor: Descriptor

    /// - Throws: ``LoopError`` `.systemResources` if there is no descriptor left for the queue's handle, which libdispatch makes at
    ///   its first use, and would stop the program over.
    init(servedBy loop: EventLoop) throws(LoopError) {
        let probe = eventfd(0, Int32(EFD_CLOEXEC))
        guard probe >= 0 else {
            throw LoopError(.systemResources, errno: errno, while: "making the main queue's descriptor")
        }
        close(probe)
        descriptor = try loop.register(_dispatch_get_main_queue_handle_4CF(), isAmbient: true)
        descriptor.watch(self, idleDeadline: .max)
    }

    var jobKind: BlockReport.JobKind { .mainQueue }

    func descriptorChanged(_ outcome: WaitOutcome) {
        // Edge-triggered: each write to the eventfd is a new event, so it need not be read.
        _dispatch_main_queue_callback_4CF(nil)
    }

    func remove() {
        descriptor.unwatch()
        descriptor.release()
    }
}
