import Synchronization

/// A number that closures can add to.
final class Counter: Sendable {
    private let count = Atomic(0)

    func add(_ more: Int = 1) { count.wrappingAdd(more, ordering: .sequentiallyConsistent) }
    var value: Int { count.load(ordering: .sequentiallyConsistent) }
}
