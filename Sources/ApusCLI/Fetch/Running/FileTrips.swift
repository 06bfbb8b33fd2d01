import Apus
import Synchronization

/// Takes blocking calls on files to a thread, many in one trip: what has come while a trip was under way goes with the next.
///
/// A trip costs two wake-ups of threads, which is more than making a small file does. Where files are in memory, nothing waits for a
/// disk, and there is no trip at all.
final class FileTrips: Sendable {
    private struct Call: Sendable {
        let body: @Sendable () -> Void
        let caller: UnsafeContinuation<Void, Never>
    }

    private struct State {
        var waiting: [Call] = []
        var trips = 0
    }

    /// Written on the thread, read by the caller behind it.
    private final class Slot<Value: Sendable>: Sendable {
        let value = Mutex<Value?>(nil)
    }

    private let state = Mutex(State())
    private let isInMemory: Bool

    /// - Parameter isInMemory: whether the folder is that of a file system without a disk, so that calls on small files may run where
    ///   they are made.
    init(isInMemory: Bool = false) { self.isInMemory = isInMemory }

    /// More than one, so that a call that takes long holds up others only if there are more of its kind.
    private static let maximumTrips = 3

    /// Runs `body` on a thread, or at once if it is short and its files are in memory.
    ///
    /// - Parameter isShort: whether it moves no more than the loop can wait for.
    /// - Throws: what `body` throws.
    ///
    /// Cancel safety: does not look at it: what has been asked for happens, and is over when this returns.
    func run<Success: Sendable>(
        isShort: Bool = true,
        _ body: @escaping @Sendable () throws -> Success
    ) async throws -> Success {
        if isInMemory, isShort { return try body() }
        return try await travel(with: body)
    }

    private func travel<Success: Sendable>(with body: @escaping @Sendable () throws -> Success) async throws -> Success
    {
        let slot = Slot<Result<Success, any Error>>()
        await withUnsafeContinuation { caller in
            let perform: @Sendable () -> Void = {
                let result = Result(catching: body)
                slot.value.withLock { $0 = result }
            }
            let call = Call(body: perform, caller: caller)
            // Not in the caller's task, which may be cancelled: a cancelled task offloads nothing.
            if begins(with: call) { EventLoop.spawn(name: "files") { await self.travel() } }
        }
        guard let result = slot.value.withLock({ $0 }) else { throw CancellationError() }
        return try result.get()
    }

    /// - Returns: whether a new trip has to begin for it.
    private func begins(with call: Call) -> Bool {
        state.withLock { state in
            state.waiting.append(call)
            guard state.trips < Self.maximumTrips else { return false }
            state.trips += 1
            return true
        }
    }

    private func travel() async {
        while let calls = next() {
            do {
                // Cooperative: a trip that has begun is awaited in any case.
                try await offload(cancellation: .cooperative) { for call in calls { call.body() } }
            } catch {
                // There is no thread to be had: better to block than to lose what was fetched.
                for call in calls { call.body() }
            }
            for call in calls { call.caller.resume() }
        }
    }

    private func next() -> [Call]? {
        state.withLock { state in
            guard !state.waiting.isEmpty else {
                state.trips -= 1
                return nil
            }
            defer { state.waiting = [] }
            return state.waiting
        }
    }
}
