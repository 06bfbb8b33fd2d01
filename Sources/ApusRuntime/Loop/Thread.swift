import CApus
import Glibc

/// Starts a detached thread. Nobody joins it: process exit never waits for one.
func startThread(name: String, _ body: @escaping @Sendable () -> Void) throws(LoopError) {
    final class Box {
        let name: String
        let body: @Sendable () -> Void
        init(_ name: String, _ body: @escaping @Sendable () -> Void) {
            self.name = name
            self.body = body
        }
    }
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    defer { pthread_attr_destroy(&attributes) }
    pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
    var thread = pthread_t()
    let box = Unmanaged.passRetained(Box(name, body))
    let error = pthread_create(
        &thread,
        &attributes,
        { argument in
            // pthread_create passes on the pointer that it was given.
            guard let argument else { return nil }
            let box = Unmanaged<Box>.fromOpaque(argument).takeRetainedValue()
            // The kernel keeps 15 bytes of a thread's name.
            apus_set_thread_name(String(decoding: box.name.utf8.prefix(15), as: UTF8.self))
            apus_shed_dispatch_signal_mask()
            box.body()
            return nil
        },
        box.toOpaque()
    )
    guard error == 0 else {
        box.release()
        throw LoopError(.systemResources, errno: error, while: "starting thread “\(name)”")
    }
}

/// Lets another thread have this one's core.
func yieldThread() { sched_yield() }
