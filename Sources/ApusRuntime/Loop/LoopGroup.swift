import CApus
import Synchronization

/// Several loops, each on a thread of its own: for servers that need more than one core.
///
/// ```swift
/// try await LoopGroup.with { group in
///     try await group.each { loop in
///         let server = try await TCPListener.bind(host: "::", port: 8080, options: .init(reusePort: true))
///         try await server.serve { stream in … }
///     }
/// }
/// ```
///
/// Nothing moves between loops: a task, a stream, a session stays where it was made. Work is handed to a loop by name, with
/// ``EventLoop/call(_:)`` or ``EventLoop/spawn(name:_:)``, or to all with ``each(_:)``. State that loops share belongs to an actor, most
/// simply one bound to a loop (``EventLoop/asUnownedSerialExecutor()``).
public final class LoopGroup: Sendable {
    private let threads: [LoopThread]
    private let turn = Atomic<UInt>(0)

    /// The loops, at least one. Their names are the options' name, a hyphen and a number.
    public var loops: [EventLoop] { threads.map(\.loop) }

    private init(_ threads: [LoopThread]) { self.threads = threads }

    /// Starts `count` loops, runs `body`, and ends the loops.
    ///
    /// `body` runs with the caller's isolation, on none of the group's loops. When it returns or throws, all loops end at the same time as
    /// ``EventLoop/with(_:_:)`` does: what was spawned on them and left is cancelled and awaited.
    ///
    /// - Parameters:
    ///   - count: nil for one per core that this process may use (sched_getaffinity(2)).
    ///   - options: for each of them. Signals are left alone; virtual time, of which each loop would have its own, is refused.
    /// - Throws: what `body` throws; ``LoopError`` `.invalidArgument` for a count below 1 and for virtual time, `.systemResources` if there
    ///   is no descriptor or thread left (the loops that had started have ended then).
    ///
    /// Cancel safety: cancels nothing by itself; `body` sees the cancellation, and the loops' end is awaited.
    public static func with<Success>(
        count: Int? = nil,
        options: EventLoop.Options = EventLoop.Options(),
        _ body: nonisolated(nonsending) (_ group: LoopGroup) async throws -> Success
    ) async throws -> Success {
        let group = try await start(count ?? max(1, Int(apus_available_cores())), options)
        do {
            let result = try await body(group)
            await group.end()
            return result
        } catch {
            await group.end()
            throw error
        }
    }

    private static func start(_ count: Int, _ options: EventLoop.Options) async throws(LoopError) -> LoopGroup {
        guard count >= 1 else {
            throw LoopError(.invalidArgument, "A group of \(count) loops cannot be: give at least 1.")
        }
        guard options.clock == .monotonic else {
            throw LoopError(
                .invalidArgument,
                "A LoopGroup runs on real time: virtual clocks of several loops know nothing of each other. Test with one loop."
            )
        }
        var threads: [LoopThread] = []
        do {
            for number in 0..<count {
                var options = options
                options.name += "-\(number)"
                threads.append(try LoopThread(options))
            }
        } catch {
            await LoopGroup(threads).end()
            throw error
        }
        return LoopGroup(threads)
    }

    private func end() async {
        let caller = EventLoop.current
        caller?.beginExternalWork()
        for thread in threads { thread.stop() }
        for thread in threads { await thread.waitUntilEnded() }
        caller?.endExternalWork()
    }

    /// The loops in turn, one per call, from any thread: for work that can run anywhere.
    public func next() -> EventLoop {
        let number = turn.wrappingAdd(1, ordering: .relaxed).oldValue
        return threads[Int(number % UInt(threads.count))].loop
    }

    /// Runs `body` on every loop at the same time, and awaits all.
    ///
    /// - Returns: the results in the order of ``loops``.
    /// - Throws: the first error; the others are cancelled and awaited.
    ///
    /// Cancel safety: cancels all, and awaits them.
    @discardableResult
    public func each<Success: Sendable>(
        _ body: @escaping @Sendable (_ loop: EventLoop) async throws -> Success
    ) async throws -> [Success] {
        try await gather(loops) { loop in try await loop.call { try await body(loop) } }
    }

    /// Counters of each loop, in the order of ``loops``.
    ///
    /// - Throws: `CancellationError`; ``LoopError``.
    ///
    /// Cancel safety: no effect beyond the lost answer.
    public func statistics() async throws -> [LoopStatistics] {
        try await each { $0.statistics() ?? LoopStatistics() }
    }
}
