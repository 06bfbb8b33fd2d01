/// Names an entry of a ``TimerQueue``; an entry that has fired or was cancelled is told apart by its generation.
package struct TimerID: Sendable, Hashable {
    var slot: UInt32
    var generation: UInt32

    package static let none = TimerID(slot: .max, generation: 0)
}

/// What to do when a timer is due.
enum TimerAction {
    /// Resume a sleeping task.
    case resume(UnsafeContinuation<WaitOutcome, Never>)
    /// Run a scheduled function.
    case call(ScheduledCall)
    /// Look at the deadlines of a descriptor.
    case descriptor(UInt64)
    /// Whole-process mode: run a job of the runtime's, the end of a `Task.sleep`.
    case job(ReadyJob)
    /// The slot is reserved (its task has not begun to wait) or free.
    case none
}

/// The deadlines of a loop: an indexed 4-ary heap.
///
/// Insertion and removal by handle are O(log n), and a cancelled entry is gone at once. swift-collections' `Heap` has no
/// removal by handle: there a `withTimeout(.seconds(60))` that ends after a millisecond leaves its tombstone for a minute,
/// millions of them under load. Four children per node instead of two: half the levels, and the children share a cache line.
struct TimerQueue {
    private struct Node {
        var deadline: Int64
        /// Orders equal deadlines as they were inserted.
        var sequence: UInt32
        var slot: UInt32

        @inline(__always)
        func precedes(_ other: Node) -> Bool {
            if deadline != other.deadline { return deadline < other.deadline }
            return Int32(bitPattern: sequence &- other.sequence) < 0
        }
    }

    private struct Slot {
        var position: Int32
        var generation: UInt32
        var action: TimerAction
    }

    private var heap = ContiguousArray<Node>()
    private var slots = ContiguousArray<Slot>()
    private var free = ContiguousArray<UInt32>()
    /// The number of the newest entry, which names those that are there now for ``popDue(at:of:)``. Numbers come round.
    var sequence: UInt32 = 0
    /// The generation that new slots begin with: above every handle given out before the last ``shrink()``.
    private var firstGeneration: UInt32 = 0

    /// How many deadlines are pending.
    var count: Int { heap.count }

    /// How many entries the memory held now has room for.
    var slotCapacity: Int { slots.capacity }

    /// The earliest deadline, if there is one.
    var next: Int64? { heap.isEmpty ? nil : heap[0].deadline }

    /// Takes a slot without a deadline, so that a cancellation handler can know the entry before it exists.
    mutating func reserve() -> TimerID {
        if let slot = free.popLast() {
            return TimerID(slot: slot, generation: slots[Int(slot)].generation)
        }
        slots.append(Slot(position: -1, generation: firstGeneration, action: .none))
        return TimerID(slot: UInt32(slots.count - 1), generation: firstGeneration)
    }

    /// Gives a reserved slot its deadline.
    mutating func arm(_ id: TimerID, at deadline: Int64, _ action: TimerAction) {
        slots[Int(id.slot)].action = action
        sequence &+= 1
        heap.append(Node(deadline: deadline, sequence: sequence, slot: id.slot))
        siftUp(heap.count - 1)
    }

    /// Inserts a deadline.
    mutating func insert(at deadline: Int64, _ action: TimerAction) -> TimerID {
        let id = reserve()
        arm(id, at: deadline, action)
        return id
    }

    /// Removes an entry. Returns its action, or nil if it has fired or was removed before.
    mutating func remove(_ id: TimerID) -> TimerAction? {
        guard id.slot < slots.count, slots[Int(id.slot)].generation == id.generation else { return nil }
        let position = slots[Int(id.slot)].position
        let action = release(id.slot)
        if position >= 0 { removeNode(Int(position)) }
        return action
    }

    /// Removes an entry that has its deadline; one that is only reserved stays, and nil is returned.
    mutating func removeIfArmed(_ id: TimerID) -> TimerAction? {
        guard id.slot < slots.count, slots[Int(id.slot)].generation == id.generation, slots[Int(id.slot)].position >= 0
        else { return nil }
        return remove(id)
    }

    /// The tasks that sleep, in no order.
    var sleepers: [(deadline: Int64, continuation: UnsafeContinuation<WaitOutcome, Never>)] {
        heap.compactMap { node in
            guard case .resume(let continuation) = slots[Int(node.slot)].action else { return nil }
            return (node.deadline, continuation)
        }
    }

    /// Removes the earliest entry if it is due at `now`.
    ///
    /// - Parameter generation: entries made later wait for the next turn: a callback that schedules itself anew, at a time that has
    ///   passed, would else keep the loop for ever. Nil for all.
    mutating func popDue(at now: Int64, of generation: UInt32? = nil) -> TimerAction? {
        guard let first = heap.first, first.deadline <= now else { return nil }
        // By how many were made since `generation`, since numbers come round: whether one is greater than the other says nothing of an
        // entry that has waited while two thousand million others came and went.
        if let generation, first.sequence &- generation &- 1 < sequence &- generation { return nil }
        let action = release(first.slot)
        removeNode(0)
        return action
    }

    private mutating func release(_ slot: UInt32) -> TimerAction {
        let index = Int(slot)
        let action = slots[index].action
        slots[index].action = .none
        slots[index].position = -1
        slots[index].generation &+= 1
        free.append(slot)
        return action
    }

    private mutating func removeNode(_ position: Int) {
        let last = heap.removeLast()
        guard position < heap.count else { return shrink() }
        heap[position] = last
        slots[Int(last.slot)].position = Int32(position)
        siftUp(position)
        siftDown(Int(slots[Int(last.slot)].position))
    }

    /// A burst of a million timers must not keep its memory for ever.
    private mutating func shrink() {
        guard heap.isEmpty, slots.count > 4096, free.count == slots.count else { return }
        for slot in slots where slot.generation >= firstGeneration { firstGeneration = slot.generation &+ 1 }
        slots = []
        free = []
        heap = []
    }

    private mutating func siftUp(_ start: Int) {
        var position = start
        let node = heap[position]
        while position > 0 {
            let parent = (position - 1) >> 2
            guard node.precedes(heap[parent]) else { break }
            heap[position] = heap[parent]
            slots[Int(heap[position].slot)].position = Int32(position)
            position = parent
        }
        heap[position] = node
        slots[Int(node.slot)].position = Int32(position)
    }

    private mutating func siftDown(_ start: Int) {
        var position = start
        let node = heap[position]
        let count = heap.count
        while true {
            let firstChild = (position << 2) + 1
            guard firstChild < count else { break }
            var best = firstChild
            for child in firstChild + 1..<Swift.min(firstChild + 4, count) where heap[child].precedes(heap[best]) {
                best = child
            }
            guard heap[best].precedes(node) else { break }
            heap[position] = heap[best]
            slots[Int(heap[position].slot)].position = Int32(position)
            position = best
        }
        heap[position] = node
        slots[Int(node.slot)].position = Int32(position)
    }
}
