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

    /// Leaves `item`, and wakes the loop if it sleeps. Returns false, without taking the item, if the loop is closed.
    ///
    /// The wake-up happens under the lock, since afterwards the loop may close its descriptors, and a write to a number that
    /// the system has given to somebody else would land in their file.
    func post(_ item: InboxItem, wake: () -> Void) -> Bool {
        state.withLock { state in
            if state.isClosed { return false }
            state.items.append(item)
            hasItems.store(true, ordering: .releasing)
            if state.isSleeping {
                state.isSleeping = false
                wake()
            }
            return true
        }
    }

    /// Whether something was left, as seen without the lock.
    var mayHaveItems: Bool { hasItems.load(ordering: .acquiring) }

    /// Takes everything that was left.
    func drain() -> [InboxItem] {
        guard mayHaveItems else { return [] }
        return state.withLock { state in
            hasItems.store(false, ordering: .releasing)
            var items: [InboxItem] = []
            swap(&items, &state.items)
            return items
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

    /// Refuses everything from now on, and returns what was left.
    func close() -> [InboxItem] {
        state.withLock { state in
            state.isClosed = true
            var items: [InboxItem] = []
            swap(&items, &state.items)
            return items
        }
    }
}
