import ApusRuntime

/// Runs `body` on a loop of its own whose time is virtual: it jumps to the next timer whenever nothing else can happen.
///
/// A test of a one-hour timeout takes microseconds, and always the same ones. Time stands still while something outside is waited
/// for: real sockets, offloaded calls, name lookups. Use a ``ScriptedPeer`` or ``memoryStreams(capacity:)`` instead of sockets.
///
/// - Parameter seed: if given, tasks that are ready take their turns in an order drawn from it instead of the one in which they became
///   ready, and the same order for the same seed: see ``forEachSchedule(_:seed:timeout:_:)``, which tries many.
/// - Throws: what `body` throws.
///
/// Cancel safety: cancels `body` and awaits it.
public func withVirtualTime<Success: Sendable>(
    shuffling seed: UInt64? = nil,
    _ body: @escaping @Sendable () async throws -> Success
) async throws -> Success {
    var options = EventLoop.Options()
    options.name = "virtual"
    options.clock = .virtual
    options.shuffleSeed = seed
    return try await withTestLoop(options, body)
}
