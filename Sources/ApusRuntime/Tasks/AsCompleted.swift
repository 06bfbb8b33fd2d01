/// Runs `body` for every element at once, and gives `consume` the results in the order in which they come: asyncio's `as_completed`.
///
/// ```swift
/// try await asCompleted(urls, limit: 20) { url in
///     try await session.get(url).text()
/// } consume: { pages in
///     for try await page in pages { show(page) }
/// }
/// ```
///
/// It is a scope, as task groups are: whatever way `consume` ends, by `return`, `break` or an error, the children that are left are
/// cancelled and awaited before this returns. So no child outlives the loop over the results, and none runs for nobody.
///
/// The children begin in the elements' order, on the current loop if there is one; `consume` runs with the caller's isolation, so an
/// actor's method can use the actor's state in it. A child's error is thrown where its result would have come, and leaves the `for`
/// loop; ``Completions/nextResult()`` gives errors as values instead, and goes on. Let `body` return the element too to know whose
/// result it is. What nobody took is not lost: an error, except `CancellationError`, is reported through
/// ``EventLoop/Options/exceptionHandler``, and a value is given to `discard`.
///
/// Swift's runtime cannot lend a task group to a sequence that leaves its function, so the results are good inside `consume` only;
/// outside they end.
///
/// - Parameters:
///   - elements: what to work on, drawn at once; without any, the results end at once.
///   - limit: how many run, or wait to be taken, at a time; nil for all. So a slow consumer slows the children down.
///   - timeout: how long the results may take together; nil for as long as it takes. When it is up, what has come is still given, nothing
///     new begins, and waiting throws ``TimeoutError``. Zero or less begins nothing.
///   - discard: takes the value that nobody took, to close it, for instance. Nil drops it.
/// - Returns: what `consume` returns.
/// - Throws: what `consume` throws; ``LoopError`` `.invalidArgument` for a limit below 1.
///
/// Cancel safety: cancels all children and awaits them; in `consume`, waiting for a result throws `CancellationError`.
public func asCompleted<Elements: Sequence, Success: Sendable, Return>(
    _ elements: Elements,
    limit: Int? = nil,
    timeout: Duration? = nil,
    discard: (@Sendable (Success) async -> Void)? = nil,
    _ body: @escaping @Sendable (Elements.Element) async throws -> Success,
    consume: nonisolated(nonsending) (Completions<Success>) async throws -> Return
) async throws -> Return where Elements.Element: Sendable {
    if let limit, limit < 1 {
        throw LoopError(
            .invalidArgument,
            "asCompleted(limit: \(limit)): the limit must be at least 1, or nil for none."
        )
    }
    let elements = Array(elements)
    let loop = EventLoop.current
    let tracking = loop?.trackingChildren(of: "asCompleted")
    let losers = Losers(of: "asCompleted", on: loop, discard: discard)
    let completions = Completions<Success>(count: elements.count, limit: limit ?? elements.count, timeout: timeout)
    let work: @Sendable () async -> Void = {
        while let index = await completions.begin() {
            completions.add(await ChildEnd(index: index, tracking) { try await body(elements[index]) })
        }
    }
    // A local function: see `withTimeout`.
    func run(
        _ consume: nonisolated(nonsending) @escaping (Completions<Success>) async throws -> Return
    ) async throws -> Return {
        let consumer = CallersBody { try await consume(completions) }
        await completions.serve(
            consumer,
            workers: min(limit ?? elements.count, elements.count),
            on: loop,
            isolation: #isolation,
            work
        )
        for end in completions.left { await losers.take(end) }
        return try consumer.result.get()
    }
    return try await withoutActuallyEscaping(consume, do: run)
}

extension Completions {
    /// Runs the consumer beside the workers, and when it is done cancels and awaits them.
    fileprivate func serve<Return>(
        _ consumer: CallersBody<Return>,
        workers: Int,
        on loop: EventLoop?,
        isolation: isolated (any Actor)?,
        _ work: @escaping @Sendable () async -> Void
    ) async {
        let timer = startTimer()
        await withTaskGroup(of: Void.self) { group in
            // Groups of groups where there are many: see `gather`.
            let size = workers > 4 * subgroupSize ? subgroupSize : 1
            for first in stride(from: 0, to: workers, by: size) {
                let count = Swift.min(size, workers - first)
                group.addTask(executorPreference: loop) {
                    if count == 1 { return await work() }
                    await withTaskGroup(of: Void.self) { subgroup in
                        for _ in 0..<count { subgroup.addTask(executorPreference: loop) { await work() } }
                    }
                }
            }
            await consumer.run(isolation: isolation)
            close()
            group.cancelAll()
        }
        timer?.cancel()
    }
}
