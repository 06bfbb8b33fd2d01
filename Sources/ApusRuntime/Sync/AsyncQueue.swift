/// Hands elements from tasks to tasks, with a bound: asyncio's `Queue`, `LifoQueue` and `PriorityQueue`.
///
/// ```swift
/// let queue = try AsyncQueue<URI>(limit: 100)
/// EventLoop.spawn {
///     for url in urls { try await queue.put(url) }
///     queue.shutDown()
/// }
/// _ = try await gather(0..<10) { _ in
///     for try await url in queue { try await fetch(url) }
/// }
/// ```
///
/// Who puts into a full queue waits, so that a fast producer does not fill the memory. Those who wait are served in their order. It may be used
/// from every loop, actor and pool.
public final class AsyncQueue<Element: Sendable>: Sendable {
    /// In which order elements leave.
    public struct Order: Sendable {
        /// Nil for the order of coming.
        let makeStorage: (@Sendable () -> any QueueStorage<Element>)?

        /// First in, first out.
        public static var fifo: Order { Order(nil) }
        /// Last in, first out: asyncio's `LifoQueue`.
        public static var lifo: Order { Order { LIFOStorage() } }

        init(_ makeStorage: (@Sendable () -> any QueueStorage<Element>)?) { self.makeStorage = makeStorage }
    }

    /// How many elements it holds at most.
    public let limit: Int
    @usableFromInline let state: ForkSafeLock<QueueState<Element>>

    /// - Parameters:
    ///   - limit: elements; at least 1. There are no queues without a bound: who wants one states a number that is never reached.
    ///   - order: in which they leave.
    /// - Throws: ``SyncError`` `.invalidArgument`.
    public init(limit: Int, order: Order = .fifo) throws {
        guard limit >= 1 else {
            throw SyncError(
                .invalidArgument,
                "A queue with room for \(limit) elements could take none: it needs at least 1."
            )
        }
        self.limit = limit
        state = ForkSafeLock(QueueState(limit: limit, stored: order.makeStorage?()))
    }

    // MARK: Looking

    /// Elements that are there; those whose putters wait do not count.
    public var count: Int { state.withLock { $0.count } }
    /// Whether nothing is there.
    public var isEmpty: Bool { count == 0 }
    /// Whether there is no room.
    public var isFull: Bool { count >= limit }
    /// Elements that were put and not reported by ``taskDone()``.
    public var unfinished: Int { state.withLock { $0.unfinished } }
    /// Whether ``shutDown(immediate:)`` was called.
    public var isShutDown: Bool { state.withLock { $0.isShutDown } }

    // MARK: Putting

    /// Puts `element` in, and waits for room if there is none.
    ///
    /// - Throws: ``SyncError`` `.shutDown`; `CancellationError`. The element is not in the queue then.
    ///
    /// Cancel safety: ends the wait at once, and takes the element along.
    @inlinable
    public func put(_ element: Element) async throws {
        if EventLoop.currentTaskIsCancelled { throw CancellationError() }
        let (isDone, next) = try state.withLock { try $0.put(element) }
        next?.resume()
        if isDone {
            if EventLoop.currentSliceIsOver { await Task.yield() }
            return
        }
        let waiter = Waiter<Void>()
        let end = await waitInList(waiter) { continuation in
            let resumptions = state.withLock { $0.put(element, waiter, continuation) }
            for resumption in resumptions { resumption.resume() }
        } leave: {
            let left = self.state.withLock { $0.cancelPut(waiter) }
            left?.next.resume()
        }
        switch end {
        case .granted: return
        case .failed(let error): throw error
        case .cancelled: throw CancellationError()
        }
    }

    /// Puts `element` in if there is room: asyncio's `put_nowait`.
    ///
    /// - Throws: ``SyncError`` `.full`, `.shutDown`.
    @inlinable
    public func putNow(_ element: Element) throws {
        let (isDone, next) = try state.withLock { try $0.put(element) }
        next?.resume()
        if !isDone { throw Self.fullError(limit) }
    }

    // MARK: Getting

    /// Takes the next element out, and waits for one if there is none.
    ///
    /// - Throws: ``SyncError`` `.shutDown` once the queue was shut down and is empty; `CancellationError`.
    ///
    /// Cancel safety: ends the wait at once; an element that was handed over just then is returned all the same, so none is lost.
    @inlinable
    public func get() async throws -> Element {
        if EventLoop.currentTaskIsCancelled { throw CancellationError() }
        let (element, next) = try state.withLock { try $0.get() }
        next?.resume()
        if let element {
            if EventLoop.currentSliceIsOver { await Task.yield() }
            return element
        }
        let waiter = Waiter<Element>()
        let end = await waitInList(waiter) { continuation in
            let resumptions = state.withLock { $0.get(waiter, continuation) }
            for resumption in resumptions { resumption.resume() }
        } leave: {
            let continuation = self.state.withLock { $0.cancelGet(waiter) }
            continuation?.resume(returning: .cancelled)
        }
        switch end {
        case .granted(let element): return element
        case .failed(let error): throw error
        case .cancelled: throw CancellationError()
        }
    }

    /// Takes the next element out if there is one: asyncio's `get_nowait`.
    ///
    /// - Throws: ``SyncError`` `.empty`, `.shutDown`.
    @inlinable
    public func getNow() throws -> Element {
        let (element, next) = try state.withLock { try $0.get() }
        next?.resume()
        guard let element else { throw Self.emptyError }
        return element
    }

    @usableFromInline
    static func fullError(_ limit: Int) -> SyncError {
        SyncError(.full, "The queue is full: it holds \(limit) elements.")
    }

    @usableFromInline static var emptyError: SyncError { SyncError(.empty, "The queue is empty.") }

    // MARK: Ending

    /// Says that an element that was taken out is done with: see ``join()``.
    ///
    /// - Throws: ``SyncError`` `.notHeld` if more are said to be done than were put in.
    public func taskDone() throws {
        let (isAccepted, joiners) = state.withLock { $0.taskDone() }
        for joiner in joiners { joiner.resume(returning: .granted(())) }
        guard isAccepted else {
            throw SyncError(.notHeld, "taskDone() was called more often than elements were put in.")
        }
    }

    /// Waits until every element that was put in was taken out and is done with, by ``taskDone()``.
    ///
    /// - Throws: `CancellationError`.
    ///
    /// Cancel safety: ends the wait at once and leaves nothing behind.
    public func join() async throws {
        try Task.checkCancellation()
        await EventLoop.yieldIfSliceIsOver()
        let waiter = Waiter<Void>()
        let end = await waitInList(waiter) { continuation in
            let end = state.withLock { $0.join(waiter, continuation) }
            if let end { continuation.resume(returning: end) }
        } leave: {
            let continuation = self.state.withLock { $0.cancelJoin(waiter) }
            continuation?.resume(returning: .cancelled)
        }
        if case .cancelled = end { throw CancellationError() }
    }

    /// Ends the queue: putting is an error from now on, and those who wait to put get it too. Getting goes on until the queue is empty, and is an
    /// error then. Safe twice, and from anywhere.
    ///
    /// - Parameter immediate: throws away what is in the queue, which then counts as done, and ends every ``get()`` at once.
    public func shutDown(immediate: Bool = false) {
        let (resumptions, thrownAway) = state.withLock { $0.shutDown(immediate: immediate) }
        for resumption in resumptions { resumption.resume() }
        _ = thrownAway
    }
}

extension AsyncQueue.Order where Element: Comparable {
    /// The smallest first, equal ones as they came: asyncio's `PriorityQueue`.
    public static var priority: AsyncQueue<Element>.Order { AsyncQueue<Element>.Order { PriorityStorage() } }
}

extension AsyncQueue: AsyncSequence {
    /// The elements until the queue is shut down and empty. Several tasks may iterate: each element goes to one of them.
    @inlinable
    public func makeAsyncIterator() -> Iterator { Iterator(queue: self) }

    /// Takes elements out, one at a time.
    public struct Iterator: AsyncIteratorProtocol {
        @usableFromInline let queue: AsyncQueue<Element>

        @inlinable
        init(queue: AsyncQueue<Element>) { self.queue = queue }

        /// The next element, or nil once the queue is shut down and empty.
        @inlinable
        public mutating func next() async throws -> Element? { try await takeNext() }

        /// The next element, or nil once the queue is shut down and empty, with the caller's isolation.
        @inlinable
        public mutating func next(isolation actor: isolated (any Actor)?) async throws(any Error) -> Element? {
            try await takeNext()
        }

        @inlinable
        func takeNext() async throws -> Element? {
            do {
                return try await queue.get()
            } catch let error as SyncError where error.code == .shutDown {
                return nil
            }
        }
    }
}
