import Testing

@testable import ApusRuntime

@Suite("The timer queue")
struct TimerQueueTests {
    /// A timer whose action says which one it is.
    private static func action(_ number: Int) -> TimerAction { .descriptor(UInt64(number)) }

    private static func number(_ action: TimerAction?) -> Int? {
        if case .descriptor(let token)? = action { Int(token) } else { nil }
    }

    private static func drain(_ queue: inout TimerQueue, at now: Int64 = .max) -> [Int] {
        var result: [Int] = []
        while let number = number(queue.popDue(at: now)) { result.append(number) }
        return result
    }

    @Test("gives the earliest first")
    func order() {
        var queue = TimerQueue()
        for (number, deadline) in [50, 10, 40, 20, 30].enumerated() {
            _ = queue.insert(at: Int64(deadline), Self.action(number))
        }
        #expect(queue.next == 10)
        #expect(Self.drain(&queue) == [1, 3, 4, 2, 0])
        #expect(queue.next == nil)
    }

    @Test("gives equal deadlines in the order of insertion")
    func fifo() {
        var queue = TimerQueue()
        for number in 0..<1000 { _ = queue.insert(at: 7, Self.action(number)) }
        #expect(Self.drain(&queue) == Array(0..<1000))
    }

    @Test("gives nothing that is not due")
    func notDue() {
        var queue = TimerQueue()
        _ = queue.insert(at: 10, Self.action(0))
        _ = queue.insert(at: 11, Self.action(1))
        #expect(Self.drain(&queue, at: 9) == [])
        #expect(Self.drain(&queue, at: 10) == [0])
        #expect(queue.count == 1)
    }

    @Test(
        "what was there at the beginning of a turn fires in it, what came meanwhile does not, however many came and went before"
    )
    func turnAfterMany() {
        for made: UInt32 in [0, 1, 0x7FFF_FFFE, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFF0] {
            // The old entry is number 1; so many have been made since when the turn begins.
            var queue = TimerQueue()
            _ = queue.insert(at: 1, Self.action(0))
            queue.sequence &+= made
            let generation = queue.sequence
            _ = queue.insert(at: 2, Self.action(1))
            var fired: [Int] = []
            while let number = Self.number(queue.popDue(at: 5, of: generation)) { fired.append(number) }
            let next = Self.drain(&queue)
            #expect(fired == [0] && next == [1], "\(made) made since")
        }
    }

    @Test("a handle removes its entry once, and never one that took its slot")
    func staleHandle() {
        var queue = TimerQueue()
        let first = queue.insert(at: 1, Self.action(1))
        #expect(Self.number(queue.remove(first)) == 1)
        let second = queue.insert(at: 2, Self.action(2))
        #expect(second.slot == first.slot, "the slot is used again")
        #expect(queue.remove(first) == nil)
        #expect(Self.drain(&queue) == [2])
        #expect(queue.remove(second) == nil)
    }

    @Test("a reserved slot is no deadline, and is not removed as one")
    func reserved() {
        var queue = TimerQueue()
        let id = queue.reserve()
        #expect(queue.count == 0)
        #expect(queue.removeIfArmed(id) == nil)
        queue.arm(id, at: 5, Self.action(5))
        #expect(Self.number(queue.removeIfArmed(id)) == 5)
        #expect(queue.count == 0)
    }

    @Test("1,000,000 timers cancelled in random order leave an empty queue and no memory")
    func manyCancelled() {
        var random = SplitMix(seed: 1)
        var queue = TimerQueue()
        var ids: [TimerID] = []
        for number in 0..<1_000_000 {
            ids.append(queue.insert(at: Int64.random(in: 0..<1_000_000, using: &random), Self.action(number)))
        }
        ids.shuffle(using: &random)
        // Not an expectation each: those would take longer than all the rest.
        let removed = ids.count { queue.remove($0) != nil }
        #expect(removed == 1_000_000)
        #expect(queue.count == 0)
        #expect(queue.next == nil)
        #expect(queue.slotCapacity == 0, "the slots of a burst are given back")
        for id in ids.prefix(1000) { #expect(queue.remove(id) == nil, "old handles stay void") }
        let fresh = queue.insert(at: 1, Self.action(1))
        #expect(ids.allSatisfy { $0 != fresh })
    }

    @Test("holds nothing of a cancelled entry", arguments: [1, 100])
    func releasesActions(others: Int) {
        var queue = TimerQueue()
        for number in 0..<others { _ = queue.insert(at: 1000, Self.action(number)) }
        weak var witness: Gate?
        let id: TimerID
        do {
            let gate = Gate()
            witness = gate
            id = queue.insert(at: 1, .call(ScheduledCall(loop: .shared) { gate.open() }))
        }
        #expect(witness != nil)
        _ = queue.remove(id)
        #expect(witness == nil)
    }

    @Test("agrees with a model under random operations", arguments: UInt64(1)...20)
    func model(seed: UInt64) {
        struct Entry {
            var deadline: Int64
            var number: Int
            var id: TimerID
        }
        var random = SplitMix(seed: seed)
        var queue = TimerQueue()
        // Sorted by deadline and then by age, which is what the heap must look like from outside.
        var model: [Entry] = []
        var now: Int64 = 0
        for number in 0..<2000 {
            switch Int.random(in: 0..<10, using: &random) {
            case 0..<5:
                // Few different deadlines, so that many are equal.
                let deadline = now + Int64.random(in: 0..<50, using: &random)
                let id = queue.insert(at: deadline, Self.action(number))
                let index = model.firstIndex { $0.deadline > deadline } ?? model.count
                model.insert(Entry(deadline: deadline, number: number, id: id), at: index)
            case 5..<8:
                guard let index = model.indices.randomElement(using: &random) else { continue }
                #expect(Self.number(queue.remove(model[index].id)) == model[index].number)
                model.remove(at: index)
            default:
                now += Int64.random(in: 0..<10, using: &random)
                let due = model.prefix { $0.deadline <= now }.map(\.number)
                #expect(Self.drain(&queue, at: now) == due)
                model.removeFirst(due.count)
            }
            #expect(queue.count == model.count)
            #expect(queue.next == model.first?.deadline)
        }
        #expect(Self.drain(&queue) == model.map(\.number))
    }
}
