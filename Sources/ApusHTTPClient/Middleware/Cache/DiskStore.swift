import ApusNet
import ApusRuntime
import Logging
import Synchronization

/// Entries in the files of one folder, one each, under names that tell nothing. A folder that is full, read-only, damaged or gone costs
/// what it had, and nothing else: requests go to the server then.
///
/// What there is is read from the folder's list of names at the first use; it belongs to one process at a time, and another one in the same
/// folder can do no more harm than to make files disappear or be replaced, both of which are found out by their checksums.
final class DiskStore: CacheStore {
    private struct State {
        /// Nil before the folder was looked at.
        var index: CacheIndex<String>?
        var evictions = 0
        var failures = 0
        var damaged = 0
        var hasLogged = false
    }

    private let folder: CacheFolder
    private let limit: Int
    private let state = Mutex(State())
    private let logger: Logger

    init(folder: CacheFolder, limit: Int, logger: Logger) {
        self.folder = folder
        self.limit = limit
        self.logger = logger
    }

    func entries(_ key: String) async throws -> [CacheEntry] {
        try await offload { self.read(key) }
    }

    func store(_ entry: CacheEntry, _ key: String) async throws -> Bool {
        try await offload { self.write(entry, key) }
    }

    func noteUse(_ entry: CacheEntry, _ key: String) async throws {
        let name = CacheIndex<String>.Name(key: key, variant: entry.variant)
        state.withLock { $0.index?.touch(name) }
    }

    func remove(_ key: String) async throws {
        try await offload {
            for entry in self.withIndex({ $0.removeAll(key) }) { self.folder.remove(entry.value) }
        }
    }

    func removeAll() async throws {
        try await offload {
            for entry in self.withIndex({ $0.removeAll() }) { self.folder.remove(entry.value) }
        }
    }

    var statistics: CacheStoreStatistics {
        state.withLock {
            CacheStoreStatistics(
                entries: $0.index?.count ?? 0,
                bytes: $0.index?.cost ?? 0,
                evictions: $0.evictions,
                failures: $0.failures,
                damaged: $0.damaged
            )
        }
    }

    // MARK: On a thread of the pool

    private func read(_ key: String) -> [CacheEntry] {
        var found: [CacheEntry] = []
        for (name, file) in withIndex({ $0.entries(key) }) {
            guard let bytes = folder.read(file, limit: limit) else {
                // Somebody has removed it, or it cannot be read: either way it is not there.
                withIndex { _ = $0.remove(name) }
                continue
            }
            // With its variant: a file that was renamed is not the one that its name says.
            guard let entry = CacheEntry(encoded: bytes), entry.variant == name.variant else {
                withIndex { _ = $0.remove(name) }
                state.withLock { $0.damaged += 1 }
                folder.remove(file)
                continue
            }
            found.append(entry)
        }
        return found
    }

    /// - Returns: whether it is kept.
    private func write(_ entry: CacheEntry, _ key: String) -> Bool {
        let bytes = entry.encoded
        let name = CacheIndex<String>.Name(key: key, variant: entry.variant)
        let file = "\(key)\(CacheFolder.separator)\(entry.variant)\(CacheFolder.suffix)"
        // Room first, so that the folder is never larger than it may be.
        let gone = withIndex { $0.insert(name, file, cost: bytes.count) }
        for old in gone where old.name != name { folder.remove(old.value) }
        state.withLock { state in state.evictions += gone.count { $0.name != name } }
        if gone.contains(where: { $0.name == name && bytes.count > limit }) {
            folder.remove(file)
            return false
        }
        do {
            try folder.write(bytes, as: file)
            return true
        } catch {
            // What was there under this name is of before, and so is worth less than nothing.
            withIndex { _ = $0.remove(name) }
            folder.remove(file)
            let isFirst = state.withLock { state in
                state.failures += 1
                defer { state.hasLogged = true }
                return !state.hasLogged
            }
            if isFirst {
                logger.notice("A response could not be written to the cache, which goes on without: \(error)")
            }
            return false
        }
    }

    @discardableResult
    private func withIndex<Result: Sendable>(
        _ body: @Sendable (inout CacheIndex<String>) -> Result
    ) -> Result {
        state.withLock { state in
            // Under the lock: everybody else needs to know it, too. Taken out, so that it is not copied.
            var index = state.index.take() ?? open()
            defer { state.index = index }
            return body(&index)
        }
    }

    /// Looks what the folder has.
    private func open() -> CacheIndex<String> {
        var index = CacheIndex<String>(limit: limit, variantLimit: 8)
        for file in folder.list() {
            let parts = file.name.dropLast(CacheFolder.suffix.count)
                .split(separator: CacheFolder.separator, maxSplits: 1)
            guard parts.count == 2 else { continue }
            let name = CacheIndex<String>.Name(key: String(parts[0]), variant: String(parts[1]))
            for old in index.insert(name, file.name, cost: file.size) { folder.remove(old.value) }
        }
        return index
    }
}
