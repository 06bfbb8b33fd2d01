import CApus

/// Serves the main actor on a loop that runs on the process's main thread.
///
/// The main actor's executor is libdispatch's main queue. On Linux libdispatch gives CoreFoundation an eventfd that becomes
/// readable when the queue has work, and a function that does the work; the loop watches that descriptor as one more. Without
/// this, every `await` of a `@MainActor` function inside `EventLoop.run` would wait for ever.
final class MainQueue: DescriptorWatcher {
    private let descriptor: Descriptor

    /// Nil if the queue's descriptor cannot be watched, in which case main-actor work waits until the loop has ended.
    init?(servedBy loop: EventLoop) {
        guard let descriptor = try? loop.register(_dispatch_get_main_queue_handle_4CF(), isAmbient: true) else {
            return nil
        }
        self.descriptor = descriptor
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
