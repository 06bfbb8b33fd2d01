import CApus
import Glibc
import Synchronization

/// One at a time, for what takes milliseconds and more. Who waits looks again each millisecond.
///
/// Not a lock: threads are in the middle of something as long as that when others fork, and the child, which does not have them, would
/// find it taken for ever. Here a turn of before the fork is over in the child.
struct Turn: ~Copyable, Sendable {
    /// The fork epoch of the thread whose turn it is, plus one; 0 while it is nobody's.
    private let holder: Atomic<UInt32>

    /// - Parameter epoch: for tests, the fork epoch of a thread whose turn it is.
    init(takenIn epoch: UInt32? = nil) { holder = Atomic(epoch.map { $0 &+ 1 } ?? 0) }

    func take<Success>(_ body: () throws -> Success) rethrows -> Success {
        let mine = apus_fork_epoch() &+ 1
        while true {
            let found = holder.load(ordering: .relaxed)
            if found != mine,
                holder.compareExchange(expected: found, desired: mine, ordering: .acquiringAndReleasing).exchanged
            {
                break
            }
            poll(nil, 0, 1)
        }
        defer { holder.store(0, ordering: .releasing) }
        return try body()
    }
}
