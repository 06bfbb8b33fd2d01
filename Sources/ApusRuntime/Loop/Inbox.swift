import CApus
import Synchronization

/// What other threads leave for a loop.
enum InboxItem: Sendable {
    /// A part of a task that prefers the loop.
    case job(ReadyJob)
    /// A part of a task that prefers a loop which has been closed: it runs here, as that loop.
    case orphan(ReadyJob, EventLoop)
    /// Something to do on the loop's thread.
    case call(@Sendable () -> Void)
}

/// The door of a loop for other threads: a locked queue and one coalesced wake-up.
struct Inbox: ~Copyable, Sendable {
    struct State {
        var items: [InboxItem] = []
        var isSleeping = false
        var isClosed = false
    }

    private let state = ForkSafeLock(State())
    /// Whether there are items: lets the loop look without the lock.
    private let hasItems = Atomic<Bool>(false)
    /// Threads that are about to wake the loop.
    private let wakers = Atomic<Int>(0)
    private let forkEpoch = apus_fork_epoch()

    /// Leaves `item`, and wakes the loop if it sleeps. Returns false, without taking the item, if the loop is closed.
    ///
    /// The wake-up happens after the lock is free: the loop that wakes takes it at once, and where it wakes on this core would have to
    /// wait for it, which is two more changes of threads per item. But it is counted, and ``close()`` waits for it, since afterwards the loop
    /// closes its descriptors, and a write to a number that the system has given to somebody else would land in their file.
    func post(_ item: InboxItem, wake: () -> Void) -> Bool {
        let (isAccepted, wakes) = state.withLock { state in
            if state.isClosed { return (false, false) }
            state.items.append(item)
            hasItems.store(true, ordering: .releasing)
            guard state.isSleeping else { return (true, false) }
            state.isSleeping = false
            wakers.wrappingAdd(1, ordering: .relaxed)
            return (true, true)
        }
        if wakes {
            wake()
            wakers.wrappingSubtract(1, ordering: .releasing)
        }
        return isAccepted
    }

    /// Whether something was left, as seen without the lock.
    var mayHaveItems: Bool { hasItems.load(ordering: .acquiring) }

    /// Takes everything that was left. Whoever takes something is awake.
    ///
    /// - Parameter items: empty. Its memory is what others leave their items in next.
    func drain(into items: inout [InboxItem]) {
        guard mayHaveItems else { return }
        state.withLock { state in
            hasItems.store(false, ordering: .releasing)
            state.isSleeping = false
            swap(&items, &state.items)
        }
    }

    /// Announces that the loop is about to sleep. Returns false if it must not, because something was left meanwhile.
    func prepareToSleep() -> Bool {
        state.withLock { state in
            state.isSleeping = state.items.isEmpty
            return state.isSleeping
        }
    }

    func didWake() {
        state.withLock { $0.isSleeping = false }
    }

    /// Refuses everything from now on, and returns what was left. Nobody wakes the loop afterwards.
    func close() -> [InboxItem] {
        let items = state.withLock { state in
            state.isClosed = true
            var items: [InboxItem] = []
            swap(&items, &state.items)
            return items
        }
        // Who was seen under the lock is about to write, and not for long. In the child of a fork those threads are not there.
        while wakers.load(ordering: .acquiring) > 0, forkEpoch == apus_fork_epoch() { yieldThread() }
        return items
    }
}
