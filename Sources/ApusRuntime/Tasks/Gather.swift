/// Runs `body` for every element at once, and returns the results in the elements' order: asyncio's `gather`.
///
/// ```swift
/// let pages = try await gather(urls, limit: 20) { url in
///     try await session.get(url).text()
/// }
/// ```
///
/// The children run on the current loop, if there is one, whatever the caller is isolated to.
///
/// - Parameters:
///   - elements: what to work on; an empty sequence returns an empty array.
///   - limit: how many run at a time; nil for all. The next element starts as soon as one is done.
/// - Throws: the first error of a child; the others are cancelled and awaited before, and what they throw, except
///   `CancellationError`, is reported through ``EventLoop/Options/exceptionHandler``. ``LoopError`` `.invalidArgument` for a limit
///   below 1.
///
/// Cancel safety: cancels all children and awaits them.
@discardableResult
public func gather<Elements: Sequence, Success: Sendable>(
    _ elements: Elements,
    limit: Int? = nil,
    _ body: @escaping @Sendable (Elements.Element) async throws -> Success
) async throws -> [Success] where Elements.Element: Sendable {
    do {
        return try await gatherIndexed(elements, limit: limit, body)
    } catch let failure as ChildFailure {
        throw failure.error
    }
}

/// Runs `body` for every element at once, and returns what each returned or threw, in the elements' order: asyncio's
/// `gather(…, return_exceptions=True)`. A child's error cancels nobody.
///
/// - Parameters:
///   - elements: what to work on.
///   - limit: how many run at a time; nil for all; less than 1 counts as 1.
///
/// Cancel safety: cancels all children and awaits them; theirs are results like others.
public func gatherResults<Elements: Sequence, Success: Sendable>(
    _ elements: Elements,
    limit: Int? = nil,
    _ body: @escaping @Sendable (Elements.Element) async throws -> Success
) async -> [Result<Success, any Error>] where Elements.Element: Sendable {
    // Its children never throw, and the limit is valid.
    let results = try? await gatherIndexed(elements, limit: limit.map { max(1, $0) }) { element in
        do {
            return Result<Success, any Error>.success(try await body(element))
        } catch {
            return .failure(error)
        }
    }
    return results ?? []
}

private func gatherIndexed<Elements: Sequence, Success: Sendable>(
    _ elements: Elements,
    limit: Int?,
    firstIndex: Int = 0,
    of function: StaticString = "gather",
    _ body: @escaping @Sendable (Elements.Element) async throws -> Success
) async throws -> [Success] where Elements.Element: Sendable {
    if let limit, limit < 1 {
        throw LoopError(.invalidArgument, "gather(limit: \(limit)): the limit must be at least 1, or nil for none.")
    }
    let count = elements.underestimatedCount
    // A limit that is none is one, too. Only of a collection the count is known.
    if count > 4 * subgroupSize, limit ?? .max >= count, limit ?? .max == .max || elements is any Collection {
        return try await gatherInGroups(elements, body)
    }
    let loop = EventLoop.current
    let tracking = loop?.trackingChildren(of: function)
    return try await withThrowingTaskGroup(of: (Int, Success).self) { group in
        do {
            var results: [Success?] = []
            results.reserveCapacity(elements.underestimatedCount)
            var running = 0
            for element in elements {
                if let limit, running >= limit, let (index, result) = try await group.next() {
                    results[index] = result
                    running -= 1
                }
                let index = results.count
                results.append(nil)
                running += 1
                if let tracking {
                    // Apart: what tracking needs would enlarge the frame of every child, debug mode or not.
                    group.addTask(executorPreference: loop) {
                        let tracking = tracking.begin(firstIndex + index)
                        defer { tracking.end() }
                        do {
                            return (index, try await body(element))
                        } catch {
                            throw error as? ChildFailure ?? ChildFailure(index: firstIndex + index, error: error)
                        }
                    }
                    continue
                }
                group.addTask(executorPreference: loop) {
                    do {
                        return (index, try await body(element))
                    } catch {
                        throw error as? ChildFailure ?? ChildFailure(index: firstIndex + index, error: error)
                    }
                }
            }
            // Not `waitForAll`, which throws the first error only when all are done.
            while let (index, result) = try await group.next() { results[index] = result }
            return results.compactMap { $0 }
        } catch {
            group.cancelAll()
            while let end = await group.nextResult() {
                guard case .failure(let failure as ChildFailure) = end else { continue }
                EventLoop.reportUnhandled(failure.error, of: "gather", child: failure.index, on: loop)
            }
            throw error
        }
    }
}

/// What a child threw, and which one it was.
private struct ChildFailure: Error {
    var index: Int
    var error: any Error
}

/// Children per group where there are many.
let subgroupSize = 256

/// As groups of groups. Swift's runtime searches a group's list of children each time one ends (6.3.1): a hundred thousand that end in
/// another order than they began took 12 to 22 s in one group, and 1.2 s like this.
private func gatherInGroups<Elements: Sequence, Success: Sendable>(
    _ elements: Elements,
    _ body: @escaping @Sendable (Elements.Element) async throws -> Success
) async throws -> [Success] where Elements.Element: Sendable {
    var parts: [[Elements.Element]] = []
    var part: [Elements.Element] = []
    for element in elements {
        part.append(element)
        if part.count == subgroupSize {
            parts.append(part)
            part = []
        }
    }
    if !part.isEmpty { parts.append(part) }
    // Fewer than a group's worth of groups is the common case; each part is small enough to be a plain group.
    return try await gatherIndexed(parts.enumerated(), limit: nil, of: "group of gather") { number, part in
        try await gatherIndexed(part, limit: nil, firstIndex: number * subgroupSize, body)
    }.flatMap { $0 }
}

/// One child's place in a tuple.
private final class Place<Success: Sendable>: Sendable {
    private let value = ForkSafeLock<Success?>(nil)

    func fill(_ body: @Sendable () async throws -> Success) async throws {
        let result = try await body()
        value.withLock { $0 = result }
    }

    /// - Throws: never after its group has ended without an error.
    func get() throws -> Success {
        guard let result = value.withLock({ $0 }) else { throw CancellationError() }
        return result
    }
}

private func runAll(_ bodies: [@Sendable () async throws -> Void]) async throws {
    try await gather(bodies) { try await $0() }
}

// Fixed arities: on Swift 6.3.1 a parameter pack beside the collection form rejects closure literals.

/// Runs two closures at once and returns both results; the first error cancels the other and is thrown. What the other throws then is reported.
///
/// Cancel safety: cancels all children and awaits them.
@discardableResult
public func gather<A: Sendable, B: Sendable>(
    _ first: @escaping @Sendable () async throws -> A,
    _ second: @escaping @Sendable () async throws -> B
) async throws -> (A, B) {
    let (a, b) = (Place<A>(), Place<B>())
    try await runAll([{ try await a.fill(first) }, { try await b.fill(second) }])
    return (try a.get(), try b.get())
}

/// Runs three closures at once and returns all results; the first error cancels the others and is thrown. What they throw then is reported.
///
/// Cancel safety: cancels all children and awaits them.
@discardableResult
public func gather<A: Sendable, B: Sendable, C: Sendable>(
    _ first: @escaping @Sendable () async throws -> A,
    _ second: @escaping @Sendable () async throws -> B,
    _ third: @escaping @Sendable () async throws -> C
) async throws -> (A, B, C) {
    let (a, b, c) = (Place<A>(), Place<B>(), Place<C>())
    try await runAll([{ try await a.fill(first) }, { try await b.fill(second) }, { try await c.fill(third) }])
    return (try a.get(), try b.get(), try c.get())
}

/// Runs four closures at once and returns all results; the first error cancels the others and is thrown. What they throw then is reported.
///
/// Cancel safety: cancels all children and awaits them.
@discardableResult
public func gather<A: Sendable, B: Sendable, C: Sendable, D: Sendable>(
    _ first: @escaping @Sendable () async throws -> A,
    _ second: @escaping @Sendable () async throws -> B,
    _ third: @escaping @Sendable () async throws -> C,
    _ fourth: @escaping @Sendable () async throws -> D
) async throws -> (A, B, C, D) {
    let (a, b, c, d) = (Place<A>(), Place<B>(), Place<C>(), Place<D>())
    try await runAll([
        { try await a.fill(first) }, { try await b.fill(second) }, { try await c.fill(third) },
        { try await d.fill(fourth) },
    ])
    return (try a.get(), try b.get(), try c.get(), try d.get())
}

/// Runs five closures at once and returns all results; the first error cancels the others and is thrown. What they throw then is reported.
///
/// Cancel safety: cancels all children and awaits them.
@discardableResult
public func gather<A: Sendable, B: Sendable, C: Sendable, D: Sendable, E: Sendable>(
    _ first: @escaping @Sendable () async throws -> A,
    _ second: @escaping @Sendable () async throws -> B,
    _ third: @escaping @Sendable () async throws -> C,
    _ fourth: @escaping @Sendable () async throws -> D,
    _ fifth: @escaping @Sendable () async throws -> E
) async throws -> (A, B, C, D, E) {
    let (a, b, c, d, e) = (Place<A>(), Place<B>(), Place<C>(), Place<D>(), Place<E>())
    try await runAll([
        { try await a.fill(first) }, { try await b.fill(second) }, { try await c.fill(third) },
        { try await d.fill(fourth) }, { try await e.fill(fifth) },
    ])
    return (try a.get(), try b.get(), try c.get(), try d.get(), try e.get())
}

/// Runs six closures at once and returns all results; the first error cancels the others and is thrown. What they throw then is reported.
///
/// Cancel safety: cancels all children and awaits them.
@discardableResult
public func gather<A: Sendable, B: Sendable, C: Sendable, D: Sendable, E: Sendable, F: Sendable>(
    _ first: @escaping @Sendable () async throws -> A,
    _ second: @escaping @Sendable () async throws -> B,
    _ third: @escaping @Sendable () async throws -> C,
    _ fourth: @escaping @Sendable () async throws -> D,
    _ fifth: @escaping @Sendable () async throws -> E,
    _ sixth: @escaping @Sendable () async throws -> F
) async throws -> (A, B, C, D, E, F) {
    let (a, b, c, d, e, f) = (Place<A>(), Place<B>(), Place<C>(), Place<D>(), Place<E>(), Place<F>())
    try await runAll([
        { try await a.fill(first) }, { try await b.fill(second) }, { try await c.fill(third) },
        { try await d.fill(fourth) }, { try await e.fill(fifth) }, { try await f.fill(sixth) },
    ])
    return (try a.get(), try b.get(), try c.get(), try d.get(), try e.get(), try f.get())
}
