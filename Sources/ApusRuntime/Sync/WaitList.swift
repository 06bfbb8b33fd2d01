// `@inlinable`, as all on a queue's way: where elements have a type of the user's, code that was compiled here asks the runtime for the
// metadata of each tuple and optional of it, which was most of the time of a `put`.

/// How a wait in a ``WaitList`` has ended.
@usableFromInline
enum WaitEnd<Grant: Sendable>: Sendable {
    /// The waiter was given what it waited for.
    case granted(Grant)
    case failed(SyncError)
    case cancelled
}

/// One task that waits, or is about to.
// @unchecked: every field is guarded by the lock of the primitive whose list this is in.
@usableFromInline
final class Waiter<Grant: Sendable>: @unchecked Sendable {
    @usableFromInline var continuation: UnsafeContinuation<WaitEnd<Grant>, Never>?
    @usableFromInline var next: Waiter?
    // Not weak: whoever leaves the list clears it, and a weak reference would cost a side table each.
    @usableFromInline unowned(unsafe) var previous: Waiter?
    /// The cancellation handler has run, before the wait or during it.
    @usableFromInline var isCancelled = false

    @inlinable
    init() {}
}

/// Tasks in the order in which they came, each of which may leave at any time: all operations take the same few steps however long the
/// list is. It does not lock: it is a part of a primitive's locked state.
///
/// Continuations are handed out, not resumed, so that nothing runs while the lock is held.
@usableFromInline
struct WaitList<Grant: Sendable> {
    @usableFromInline typealias Continuation = UnsafeContinuation<WaitEnd<Grant>, Never>

    @usableFromInline var head: Waiter<Grant>?
    @usableFromInline unowned(unsafe) var tail: Waiter<Grant>?
    @usableFromInline var count = 0

    @inlinable
    init() {}

    /// Who has waited longest.
    @inlinable var first: Waiter<Grant>? { head }

    @inlinable
    mutating func append(_ waiter: Waiter<Grant>, _ continuation: Continuation) {
        waiter.continuation = continuation
        waiter.previous = tail
        if let tail { tail.next = waiter } else { head = waiter }
        tail = waiter
        count += 1
    }

    /// Takes the first waiter out.
    @inlinable
    mutating func popFirst() -> Continuation? {
        guard let first = head else { return nil }
        return remove(first)
    }

    /// Takes `waiter` out, if it is still in the list.
    @inlinable
    mutating func remove(_ waiter: Waiter<Grant>) -> Continuation? {
        guard let continuation = waiter.continuation else { return nil }
        waiter.continuation = nil
        if let previous = waiter.previous { previous.next = waiter.next } else { head = waiter.next }
        if let next = waiter.next { next.previous = waiter.previous } else { tail = waiter.previous }
        waiter.next = nil
        waiter.previous = nil
        count -= 1
        return continuation
    }

    /// Takes all waiters out, in their order.
    @inlinable
    mutating func removeAll() -> [Continuation] {
        var result: [Continuation] = []
        result.reserveCapacity(count)
        while let continuation = popFirst() { result.append(continuation) }
        return result
    }
}

/// Suspends the task as one waiter.
///
/// - Parameters:
///   - enter: takes the primitive's lock, looks whether the wait is needed (``Waiter/isCancelled`` included, since a cancellation may have come
///     before), and either resumes the continuation or appends it to its list.
///   - leave: takes the primitive's lock, notes the cancellation, and resumes the continuation if it was still in the list.
@inlinable
func waitInList<Grant: Sendable>(
    _ waiter: Waiter<Grant>,
    enter: (WaitList<Grant>.Continuation) -> Void,
    leave: @escaping @Sendable () -> Void
) async -> WaitEnd<Grant> {
    await withTaskCancellationHandler {
        await withUnsafeContinuation { enter($0) }
    } onCancel: {
        leave()
    }
}
