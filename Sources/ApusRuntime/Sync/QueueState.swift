/// A queue's rules as a value, without locks or tasks: who gets what, who waits, who goes on.
///
/// Elements go directly to the getter that has waited longest, and room to the putter that has waited longest, so that nobody who comes
/// later overtakes them: while a getter waits nothing is stored, and while a putter waits there is no room.
@usableFromInline
struct QueueState<Element: Sendable> {
    /// A task that goes on, once the lock is free.
    @usableFromInline
    enum Resumption {
        case getter(WaitList<Element>.Continuation, WaitEnd<Element>)
        case putter(WaitList<Void>.Continuation, WaitEnd<Void>)

        @inlinable
        func resume() {
            switch self {
            case .getter(let continuation, let end): continuation.resume(returning: end)
            case .putter(let continuation, let end): continuation.resume(returning: end)
            }
        }
    }

    @usableFromInline let limit: Int
    /// What is there, if the order is that of coming; `stored` otherwise.
    @usableFromInline var fifo = FIFOStorage<Element>()
    @usableFromInline var stored: (any QueueStorage<Element>)?
    @usableFromInline var getters = WaitList<Element>()
    @usableFromInline var putters = PutterList<Element>()
    @usableFromInline var joiners = WaitList<Void>()
    @usableFromInline var unfinished = 0
    @usableFromInline var isShutDown = false

    @inlinable
    init(limit: Int, stored: (any QueueStorage<Element>)?) {
        self.limit = limit
        self.stored = stored
    }

    @inlinable var count: Int { stored?.count ?? fifo.count }

    @inlinable
    mutating func append(_ element: Element) {
        if stored == nil { fifo.append(element) } else { stored?.append(element) }
    }

    @inlinable
    mutating func popNext() -> Element? {
        if stored == nil { fifo.popNext() } else { stored?.popNext() }
    }

    // MARK: Putting

    /// False: there is no room.
    @inlinable
    mutating func put(_ element: Element) throws(SyncError) -> (isDone: Bool, next: Resumption?) {
        if isShutDown { throw Self.shutDownError }
        if let getter = getters.popFirst() {
            unfinished += 1
            return (true, .getter(getter, .granted(element)))
        }
        guard count < limit else { return (false, nil) }
        unfinished += 1
        append(element)
        return (true, nil)
    }

    /// As ``put(_:)``, or waits.
    @inlinable
    mutating func put(
        _ element: Element,
        _ waiter: Waiter<Void>,
        _ continuation: WaitList<Void>.Continuation
    ) -> [Resumption] {
        if waiter.isCancelled { return [.putter(continuation, .cancelled)] }
        do throws(SyncError) {
            let (isDone, next) = try put(element)
            if isDone { return [.putter(continuation, .granted(()))] + (next.map { [$0] } ?? []) }
            putters.append(element, waiter, continuation)
            return []
        } catch {
            return [.putter(continuation, .failed(error))]
        }
    }

    /// - Returns: who goes on, and what was to be put, which the caller lets go of once the lock is free: its end is the user's code.
    @inlinable
    mutating func cancelPut(_ waiter: Waiter<Void>) -> (element: Element, next: Resumption)? {
        waiter.isCancelled = true
        return putters.remove(waiter).map { ($0, .putter($1, .cancelled)) }
    }

    // MARK: Getting

    /// Nil: nothing is there.
    @inlinable
    mutating func get() throws(SyncError) -> (element: Element?, next: Resumption?) {
        guard let element = popNext() else {
            if isShutDown { throw Self.shutDownError }
            return (nil, nil)
        }
        // The room is the first putter's.
        guard let (waiting, continuation) = putters.popFirst() else { return (element, nil) }
        unfinished += 1
        append(waiting)
        return (element, .putter(continuation, .granted(())))
    }

    /// As ``get()``, or waits.
    @inlinable
    mutating func get(_ waiter: Waiter<Element>, _ continuation: WaitList<Element>.Continuation) -> [Resumption] {
        if waiter.isCancelled { return [.getter(continuation, .cancelled)] }
        do throws(SyncError) {
            let (element, next) = try get()
            guard let element else {
                getters.append(waiter, continuation)
                return []
            }
            return [.getter(continuation, .granted(element))] + (next.map { [$0] } ?? [])
        } catch {
            return [.getter(continuation, .failed(error))]
        }
    }

    @inlinable
    mutating func cancelGet(_ waiter: Waiter<Element>) -> WaitList<Element>.Continuation? {
        waiter.isCancelled = true
        return getters.remove(waiter)
    }

    // MARK: Ending

    mutating func taskDone() -> (isAccepted: Bool, joiners: [WaitList<Void>.Continuation]) {
        guard unfinished > 0 else { return (false, []) }
        unfinished -= 1
        return (true, unfinished == 0 ? joiners.removeAll() : [])
    }

    /// Nil: the task waits.
    mutating func join(_ waiter: Waiter<Void>, _ continuation: WaitList<Void>.Continuation) -> WaitEnd<Void>? {
        if unfinished == 0 { return .granted(()) }
        if waiter.isCancelled { return .cancelled }
        joiners.append(waiter, continuation)
        return nil
    }

    mutating func cancelJoin(_ waiter: Waiter<Void>) -> WaitList<Void>.Continuation? {
        waiter.isCancelled = true
        return joiners.remove(waiter)
    }

    /// - Returns: who goes on, and what was thrown away, which the caller lets go of once the lock is free: its end is the user's code.
    mutating func shutDown(immediate: Bool) -> (next: [Resumption], thrownAway: [Element]) {
        isShutDown = true
        var (thrownAway, waiting) = putters.removeAll()
        var result = waiting.map { Resumption.putter($0, .failed(Self.shutDownError)) }
        if immediate {
            // Some of them may have been said to be done already.
            unfinished = max(0, unfinished - count)
            thrownAway += stored?.removeAll() ?? fifo.removeAll()
            if unfinished == 0 { result += joiners.removeAll().map { .putter($0, .granted(())) } }
        }
        // Whoever waits for an element finds an empty queue, and nobody will put one in.
        result += getters.removeAll().map { .getter($0, .failed(Self.shutDownError)) }
        return (result, thrownAway)
    }

    @usableFromInline static var shutDownError: SyncError {
        SyncError(.shutDown, "The queue was shut down.")
    }
}

/// Tasks that wait for room, each with what it brings.
@usableFromInline
struct PutterList<Element: Sendable> {
    @usableFromInline var waiters = WaitList<Void>()
    @usableFromInline var elements: [ObjectIdentifier: Element] = [:]

    @inlinable
    init() {}

    @inlinable
    mutating func append(_ element: Element, _ waiter: Waiter<Void>, _ continuation: WaitList<Void>.Continuation) {
        elements[ObjectIdentifier(waiter)] = element
        waiters.append(waiter, continuation)
    }

    @inlinable
    mutating func popFirst() -> (Element, WaitList<Void>.Continuation)? {
        waiters.first.flatMap { remove($0) }
    }

    @inlinable
    mutating func remove(_ waiter: Waiter<Void>) -> (Element, WaitList<Void>.Continuation)? {
        guard let element = elements.removeValue(forKey: ObjectIdentifier(waiter)),
            let continuation = waiters.remove(waiter)
        else { return nil }
        return (element, continuation)
    }

    @inlinable
    mutating func removeAll() -> ([Element], [WaitList<Void>.Continuation]) {
        defer { elements = [:] }
        return (Array(elements.values), waiters.removeAll())
    }
}
