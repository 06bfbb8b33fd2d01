import Glibc

/// A lock around a value that also works in the child of a fork.
///
/// `Mutex` keeps the number of the thread that holds it, and the thread that forked still goes by its parent's number in the child:
/// when another thread comes while it holds a lock, the process stops ("a thread which hasn't acquired the lock", 6.3.1). The lock that
/// every other thread of a loop passes through must not.
// @unchecked: the value is touched only while the mutex is held.
struct ForkSafeLock<Value>: ~Copyable, @unchecked Sendable {
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let value = UnsafeMutablePointer<Value>.allocate(capacity: 1)

    init(_ initial: sending Value) {
        pthread_mutex_init(mutex, nil)
        value.initialize(to: initial)
    }

    deinit {
        value.deinitialize(count: 1)
        value.deallocate()
        pthread_mutex_destroy(mutex)
        mutex.deallocate()
    }

    @inline(__always)
    borrowing func withLock<Result>(_ body: (inout Value) -> Result) -> Result {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return body(&value.pointee)
    }
}
