import CApus
import Glibc
import Logging
import Synchronization

/// The process's loop in the background: one, started at first use; a forked child starts its own.
enum SharedLoop {
    /// Its address, or 0. Not retained: loops are never freed.
    private static let started = Atomic<UInt>(0)
    /// Who starts it: the fork epoch of the thread that does, plus one; 0 while nobody does. Not a lock, which the child of a fork
    /// would find taken for ever by a thread that it does not have.
    private static let starter = Atomic<UInt32>(0)

    static var current: EventLoop {
        while true {
            if let loop = living { return loop }
            let mine = apus_fork_epoch() &+ 1
            let found = starter.load(ordering: .relaxed)
            let isMine =
                found != mine
                && starter.compareExchange(expected: found, desired: mine, ordering: .acquiringAndReleasing).exchanged
            guard isMine else {
                // Another thread starts it just now.
                poll(nil, 0, 1)
                continue
            }
            if living == nil {
                started.store(UInt(bitPattern: Unmanaged.passUnretained(start()).toOpaque()), ordering: .releasing)
            }
            starter.store(0, ordering: .releasing)
        }
    }

    /// The loop, if it was started in this process and not in a parent.
    private static var living: EventLoop? {
        guard let pointer = UnsafeRawPointer(bitPattern: started.load(ordering: .acquiring)) else { return nil }
        let loop = Unmanaged<EventLoop>.fromOpaque(pointer).takeUnretainedValue()
        return loop.isForked ? nil : loop
    }

    private static func start() -> EventLoop {
        var options = EventLoop.Options()
        options.name = "shared"
        options.signals = .none
        // No descriptors or threads are left: somebody will give some back, and without this loop nobody could go on.
        while true {
            do {
                let loop = try EventLoop(options)
                try startThread(name: "apus-shared") { loop.runForever() }
                return loop
            } catch {
                options.logger.critical("The shared event loop cannot start, and tries again: \(error)")
                poll(nil, 0, 50)
            }
        }
    }
}
