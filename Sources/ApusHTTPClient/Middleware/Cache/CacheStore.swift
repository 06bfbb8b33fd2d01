import ApusRuntime
import Synchronization

/// Where a cache keeps its entries. Nothing here throws because of the place itself: what cannot be read is not there, and what cannot be
/// written is not kept.
protocol CacheStore: Sendable {
    /// The entries of a key, newest first.
    ///
    /// - Throws: `CancellationError`.
    func entries(_ key: String) async throws -> [CacheEntry]

    /// Keeps an entry, in the place of the same variant of its key.
    ///
    /// - Returns: whether it is kept.
    func store(_ entry: CacheEntry, _ key: String) async throws -> Bool
    /// An entry was used: the least recently used go first.
    func noteUse(_ entry: CacheEntry, _ key: String) async throws
    func remove(_ key: String) async throws
    func removeAll() async throws
    var statistics: CacheStoreStatistics { get }
}

struct CacheStoreStatistics: Sendable, Hashable {
    var entries = 0
    var bytes = 0
    var evictions = 0
    var failures = 0
    var damaged = 0
}

/// Entries in this process's memory.
final class MemoryStore: CacheStore {
    private struct State {
        var index: CacheIndex<CacheEntry>
        var evictions = 0
    }

    private let state: Mutex<State>
    private let limit: Int

    init(limit: Int) {
        self.limit = limit
        state = Mutex(State(index: CacheIndex(limit: limit, variantLimit: 64)))
    }

    func entries(_ key: String) -> [CacheEntry] { state.withLock { $0.index.entries(key).map(\.value) } }

    @discardableResult
    func store(_ entry: CacheEntry, _ key: String) -> Bool {
        let gone = state.withLock { state in
            let name = CacheIndex<CacheEntry>.Name(key: key, variant: entry.variant)
            let gone = state.index.insert(name, entry, cost: entry.cost)
            state.evictions += gone.count { $0.name != name }
            return gone
        }
        // Freed outside of the lock: megabytes may go with it.
        return !gone.contains { $0.value.cost > limit }
    }

    func noteUse(_ entry: CacheEntry, _ key: String) {
        state.withLock { $0.index.touch(.init(key: key, variant: entry.variant)) }
    }

    func remove(_ key: String) { _ = state.withLock { $0.index.removeAll(key) } }

    func removeAll() { _ = state.withLock { $0.index.removeAll() } }

    var statistics: CacheStoreStatistics {
        state.withLock {
            CacheStoreStatistics(entries: $0.index.count, bytes: $0.index.cost, evictions: $0.evictions)
        }
    }
}
