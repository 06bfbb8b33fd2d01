import HeapModule

/// What a queue keeps, in another order than that of coming.
@usableFromInline
protocol QueueStorage<Element>: Sendable {
    associatedtype Element: Sendable
    var count: Int { get }
    mutating func append(_ element: Element)
    mutating func popNext() -> Element?
    mutating func removeAll() -> [Element]
}

/// First in, first out: a ring that grows as far as the queue's limit lets it.
///
/// Not a ``QueueStorage``: an existential is always called through code for all types. Not a `Deque`: it would have to be part of the public
/// interface.
@usableFromInline
struct FIFOStorage<Element> {
    /// Their number is a power of two.
    @usableFromInline var slots: ContiguousArray<Element?> = [nil]
    @usableFromInline var head = 0
    @usableFromInline var count = 0

    @inlinable
    init() {}

    @inlinable
    mutating func append(_ element: Element) {
        if count == slots.count { grow() }
        slots[(head &+ count) & (slots.count &- 1)] = element
        count &+= 1
    }

    @inlinable
    mutating func popNext() -> Element? {
        guard count > 0 else { return nil }
        let element = slots[head].take()
        head = (head &+ 1) & (slots.count &- 1)
        count &-= 1
        return element
    }

    @inlinable
    mutating func removeAll() -> [Element] {
        defer { self = FIFOStorage() }
        return slots.compactMap { $0 }
    }

    @inlinable
    mutating func grow() {
        slots = ContiguousArray(slots[head...] + slots[..<head])
        slots.append(contentsOf: repeatElement(nil, count: slots.count))
        head = 0
    }
}

/// Last in, first out.
struct LIFOStorage<Element: Sendable>: QueueStorage {
    private var elements: [Element] = []
    var count: Int { elements.count }
    mutating func append(_ element: Element) { elements.append(element) }
    mutating func popNext() -> Element? { elements.popLast() }

    mutating func removeAll() -> [Element] {
        defer { elements = [] }
        return elements
    }
}

/// The smallest first; of equal ones that which came first.
struct PriorityStorage<Element: Sendable & Comparable>: QueueStorage {
    private struct Entry: Comparable, Sendable {
        var element: Element
        var number: UInt64

        static func == (left: Entry, right: Entry) -> Bool { left.number == right.number }

        static func < (left: Entry, right: Entry) -> Bool {
            if left.element < right.element { return true }
            if right.element < left.element { return false }
            return left.number < right.number
        }
    }

    private var entries = Heap<Entry>()
    private var nextNumber: UInt64 = 0

    var count: Int { entries.count }

    mutating func append(_ element: Element) {
        entries.insert(Entry(element: element, number: nextNumber))
        nextNumber += 1
    }

    mutating func popNext() -> Element? { entries.popMin()?.element }

    mutating func removeAll() -> [Element] {
        defer { entries = Heap() }
        return entries.unordered.map(\.element)
    }
}
