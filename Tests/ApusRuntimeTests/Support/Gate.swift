import Glibc
import Synchronization

/// A semaphore for threads: what a blocking function in a test waits on until the test lets it go.
// @unchecked: sem_t is made to be used by several threads at once.
final class Gate: @unchecked Sendable {
    private let semaphore = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)

    init(_ value: UInt32 = 0) { sem_init(semaphore, 0, value) }

    deinit {
        sem_destroy(semaphore)
        semaphore.deallocate()
    }

    func open() { sem_post(semaphore) }

    func pass() {
        while sem_wait(semaphore) != 0 {}
    }
}

/// Notes what happened, in order, from any thread.
final class Recorder<Element: Sendable>: Sendable {
    private let elements = Mutex<[Element]>([])

    var all: [Element] { elements.withLock { $0 } }
    var count: Int { elements.withLock { $0.count } }

    func note(_ element: Element) { elements.withLock { $0.append(element) } }
}

/// How many are inside at once, and how many were at most.
final class Gauge: Sendable {
    private let values = Mutex((now: 0, most: 0))

    var now: Int { values.withLock { $0.now } }
    var most: Int { values.withLock { $0.most } }

    func enter() {
        values.withLock {
            $0.now += 1
            $0.most = max($0.most, $0.now)
        }
    }

    func leave() { values.withLock { $0.now -= 1 } }
}

/// Some error of the user's.
struct Oops: Error, Equatable {
    var number = 0
}
