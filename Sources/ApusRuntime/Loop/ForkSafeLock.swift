/// A lock around a value that also works in the child of a fork.
///
/// `Mutex` keeps the number of the thread that holds it, and the thread that forked still goes by its parent's number in the child:
/// when another thread comes while it holds a lock, the process stops ("a thread which hasn't acquired the lock", "unknown error", 6.3.1).
/// A child whose loops have threads gets there within some hundred tasks. So nothing of this target is a `Mutex`.
// @unchecked: the value is touched only while the lock is held.
@usableFromInline
package struct ForkSafeLock<Value>: ~Copyable, @unchecked Sendable {
    @usableFromInline
    struct Storage: ~Copyable {
        @usableFromInline let lock = FutexLock()
        @usableFromInline var value: Value

        init(_ value: consuming Value) { self.value = value }
    }

    // Of its own: a struct's field can only be changed by whoever has the struct to themselves.
    @usableFromInline let storage = UnsafeMutablePointer<Storage>.allocate(capacity: 1)

    package init(_ initial: sending Value) { storage.initialize(to: Storage(initial)) }

    deinit {
        storage.deinitialize(count: 1)
        storage.deallocate()
    }

    @inlinable
    @inline(__always)
    package borrowing func withLock<Result, Failure: Error>(
        _ body: (inout Value) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        storage.pointee.lock.lock()
        defer { storage.pointee.lock.unlock() }
        return try body(&storage.pointee.value)
    }
}
