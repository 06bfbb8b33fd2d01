import CApus
import Glibc

/// Turns the first Ctrl-C into a call on the loop; the second ends the process with status 130.
///
/// A handler that writes to an eventfd, not a signalfd: that needs the signal blocked in every thread of the process, else it
/// still ends the process.
final class Interrupt: DescriptorWatcher {
    private let descriptor: Descriptor
    private let eventDescriptor: Int32
    private let body: () -> Void

    /// Nil if somebody else handles or ignores SIGINT.
    init?(on loop: EventLoop, _ body: @escaping () -> Void) {
        eventDescriptor = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
        guard eventDescriptor >= 0 else { return nil }
        guard let descriptor = try? loop.register(eventDescriptor, isAmbient: true) else {
            close(eventDescriptor)
            return nil
        }
        self.descriptor = descriptor
        self.body = body
        guard apus_interrupt_install(eventDescriptor) else {
            descriptor.release()
            close(eventDescriptor)
            return nil
        }
        descriptor.watch(self, idleDeadline: .max)
    }

    func descriptorChanged(_ outcome: WaitOutcome) { body() }

    func remove() {
        apus_interrupt_remove()
        descriptor.unwatch()
        descriptor.release()
        close(eventDescriptor)
    }
}
