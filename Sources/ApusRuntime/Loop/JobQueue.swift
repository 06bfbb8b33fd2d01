/// The ready jobs of a loop, first in, first out: a ring that grows and never shrinks.
///
/// Every resumption passes through it. A collection of the library would check for sharing, and retain, each time.
struct JobQueue: ~Copyable {
    private var slots: UnsafeMutablePointer<ReadyJob>
    /// A power of two.
    private var capacity: Int
    private var head = 0
    private(set) var count = 0

    init() {
        capacity = 64
        slots = .allocate(capacity: capacity)
    }

    // Jobs are words: there is nothing to deinitialise.
    deinit { slots.deallocate() }

    var isEmpty: Bool { count == 0 }

    @inline(__always)
    mutating func append(_ job: ReadyJob) {
        if count == capacity { grow() }
        slots[(head &+ count) & (capacity &- 1)] = job
        count &+= 1
    }

    @inline(__always)
    mutating func popFirst() -> ReadyJob? {
        guard count > 0 else { return nil }
        let job = slots[head]
        head = (head &+ 1) & (capacity &- 1)
        count &-= 1
        return job
    }

    /// Takes the job with this number, counted from the first; the first one takes its place. Nil if there is none.
    mutating func pop(_ number: Int) -> ReadyJob? {
        guard number < count else { return nil }
        let place = (head &+ number) & (capacity &- 1)
        let job = slots[place]
        slots[place] = slots[head]
        head = (head &+ 1) & (capacity &- 1)
        count &-= 1
        return job
    }

    @inline(never)
    private mutating func grow() {
        let larger = UnsafeMutablePointer<ReadyJob>.allocate(capacity: capacity * 2)
        let first = capacity - head
        larger.initialize(from: slots + head, count: first)
        (larger + first).initialize(from: slots, count: count - first)
        slots.deallocate()
        slots = larger
        capacity *= 2
        head = 0
    }
}
