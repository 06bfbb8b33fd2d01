import DequeModule
import HeapModule

/// What a queue keeps, in the order in which it gives it back.
protocol QueueStorage<Element>: Sendable {
    associatedtype Element: Sendable
    var count: Int { get }
    mutating func append(_ element: Element)
    mutating func popNext() -> Element?
    mutating func removeAll()
}

/// First in, first out.
struct FIFOStorage<Element: Sendable>: QueueStorage {
    private var elements = Deque<Element>()
    var count: Int { elements.count }
    mutating func append(_ element: Element) { elements.append(element) }
    mutating func popNext() -> Element? { elements.popFirst() }
    mutating func removeAll() { elements = [] }
}

/// Last in, first out.
struct LIFOStorage<Element: Sendable>: QueueStorage {
    private var elements: [Element] = []
    var count: Int { elements.count }
    mutating func append(_ element: Element) { elements.append(element) }
    mutating func popNext() -> Element? { elements.popLast() }
    mutating func removeAll() { elements = [] }
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

    mutating func removeAll() { entries = Heap() }
}
