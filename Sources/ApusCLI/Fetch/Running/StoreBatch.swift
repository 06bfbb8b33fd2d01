import Apus
import Synchronization

/// Stores small bodies several in a row, in a folder in memory.
///
/// Making a file runs through so much of the kernel that what sends and receives is in no cache afterwards, and the other way round: one
/// file after each answer costs more than several behind each other. Nothing waits for more to come: what is stored in one go are the bodies
/// of all who are ready to run at the moment.
///
/// Meant for the tasks of one loop.
final class StoreBatch: Sendable {
    private struct Body: Sendable {
        let bytes: [UInt8]
        let path: StoragePath
        let number: Int
        let modified: Int64?
        let caller: UnsafeContinuation<String, any Error>
    }

    private struct State {
        var waiting: [Body] = []
        /// Whether somebody is on the way who stores what waits.
        var hasLeader = false
    }

    private let storage: Storage
    private let state = Mutex(State())

    /// So many files take a millisecond or less, which is how long the loop stands still for them.
    private static let limit = 16

    init(_ storage: Storage) { self.storage = storage }

    /// As ``Storage/store(_:at:number:modified:)``.
    ///
    /// Cancel safety: does not look at it: what has been asked for happens, and is over when this returns.
    func store(_ bytes: [UInt8], at path: StoragePath, number: Int, modified: Int64?) async throws -> String {
        let leads = state.withLock { state in
            defer { state.hasLeader = true }
            return !state.hasLeader
        }
        if leads {
            // Behind all who are ready: they may have bodies, too.
            await Task.yield()
            state.withLock { $0.hasLeader = false }
            defer { storeWaiting() }
            return try storage.store(bytes, at: path, number: number, modified: modified)
        }
        return try await withUnsafeThrowingContinuation { caller in
            let body = Body(bytes: bytes, path: path, number: number, modified: modified, caller: caller)
            let isFull = state.withLock { state in
                state.waiting.append(body)
                // Without a leader nobody would come: the first has stored on another thread meanwhile.
                return state.waiting.count >= Self.limit || !state.hasLeader
            }
            if isFull { storeWaiting() }
        }
    }

    private func storeWaiting() {
        let bodies = state.withLock { state in
            defer { state.waiting.removeAll(keepingCapacity: true) }
            return state.waiting
        }
        for body in bodies {
            body.caller.resume(
                with: Result {
                    try storage.store(body.bytes, at: body.path, number: body.number, modified: body.modified)
                }
            )
        }
    }
}
