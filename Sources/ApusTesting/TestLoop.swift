public import ApusRuntime
import Synchronization

/// Runs `body` on a loop of its own, as a child of the calling test: what it expects or records is counted as that test's.
///
/// `EventLoop.with` starts its closure on a fresh thread, where the test's task-local values are not known; here the closure is a
/// task made by the caller.
///
/// - Throws: what `body` throws.
///
/// Cancel safety: cancels `body` and awaits it.
public func withTestLoop<Success: Sendable>(
    _ options: EventLoop.Options = EventLoop.Options(),
    _ body: @escaping @Sendable () async throws -> Success
) async throws -> Success {
    let exchange = LoopExchange()
    async let running: Void = serve(exchange, options)
    guard let loop = await exchange.loop() else {
        try await running
        throw CancellationError()
    }
    let result: Result<Success, any Error>
    do {
        result = .success(try await loop.hop(body))
    } catch {
        result = .failure(error)
    }
    exchange.finish()
    try? await running
    return try result.get()
}

private func serve(_ exchange: LoopExchange, _ options: EventLoop.Options) async throws {
    do {
        try await EventLoop.with(options) { await exchange.offer(EventLoop.current) }
    } catch {
        exchange.fail()
        throw error
    }
}

/// Carries a loop to the test, and back the word that it is done.
private final class LoopExchange: Sendable {
    private struct State {
        var loop: EventLoop?
        var isFinished = false
        var hasFailed = false
        var asking: CheckedContinuation<EventLoop?, Never>?
        var offering: CheckedContinuation<Void, Never>?
    }

    private let state = Mutex(State())

    /// The loop's side: gives the loop away, and waits until the test has ended.
    func offer(_ loop: EventLoop?) async {
        await withCheckedContinuation { continuation in
            let (asking, isFinished) = state.withLock { state in
                state.loop = loop
                if !state.isFinished { state.offering = continuation }
                defer { state.asking = nil }
                return (state.asking, state.isFinished)
            }
            asking?.resume(returning: loop)
            if isFinished { continuation.resume() }
        }
    }

    func loop() async -> EventLoop? {
        await withCheckedContinuation { continuation in
            let (loop, isOver) = state.withLock { state in
                let isOver = state.loop != nil || state.hasFailed
                if !isOver { state.asking = continuation }
                return (state.loop, isOver)
            }
            if isOver { continuation.resume(returning: loop) }
        }
    }

    /// There is no loop, and will be none.
    func fail() {
        let asking = state.withLock { state in
            state.hasFailed = true
            defer { state.asking = nil }
            return state.asking
        }
        asking?.resume(returning: nil)
    }

    func finish() {
        let offering = state.withLock { state in
            state.isFinished = true
            defer { state.offering = nil }
            return state.offering
        }
        offering?.resume()
    }
}
