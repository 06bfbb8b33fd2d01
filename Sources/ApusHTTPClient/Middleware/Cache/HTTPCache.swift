import ApusRuntime
import ApusWire
public import Logging
import Synchronization

/// A private cache as of RFC 9111: responses to GET, for as long as their servers allow, in memory or in a folder.
///
/// ```swift
/// let cache = HTTPCache(.folder("/var/cache/app/http", limit: 1 << 30))
/// configuration.middleware = [cache]
///
/// let response = try await session.get(url)
/// print(response.cacheStatus == .hit, response.age ?? .zero)
/// ```
///
/// Fresh responses are given without asking the server (`max-age`, `Expires`, a tenth of the age of what says neither). Others are
/// validated (`ETag`, `Last-Modified`) where that is possible. `Vary`, `no-store`, `no-cache`, `must-revalidate`, `stale-if-error` and
/// `stale-while-revalidate` are followed, and so is a request's own `Cache-Control`: `no-cache`, `no-store`, `max-age`, `max-stale`, `min-fresh`,
/// `stale-if-error`, `only-if-cached` (504 if there is nothing). Successful requests with other methods than GET, HEAD, OPTIONS and TRACE drop
/// what is kept of their URL. Requests with `Range` or conditions of their own go by.
///
/// **Nobody gets what was meant for somebody else.** What a request with credentials was answered (`Authorization`, `Cookie`, fields marked as
/// sensitive or named like a credential) is not kept unless it is `public`, or with ``Credentials/separate`` kept for the same
/// credentials only; it is never in a file. Cookies are not kept, and a response that sets one only if it is `public`. Files have names and contents that tell neither
/// query nor request fields, and only their owner may read them; bodies are in them as they are.
///
/// **Nothing is kept that is not whole.** A body is kept when it was read to its end, was as long as it was said to be, could be decoded,
/// and is no larger than `entryLimit`. Files appear complete or not at all; damaged ones are dropped. A folder that is full or
/// read-only costs speed, never a response: see ``Statistics/writeFailures``.
///
/// One cache may stand in several sessions and on several loops, which then have to trust the same servers: what one session got without
/// verifying certificates, or by a resolver, proxy or connector of its own, the others get too. A folder belongs to one cache at a time.
public final class HTTPCache: ClientMiddleware {
    /// Where responses are kept.
    public struct Place: Sendable, Hashable {
        enum Kind: Sendable, Hashable {
            case memory(limit: Int)
            case folder(String, limit: Int)
        }

        let kind: Kind

        /// This process's memory.
        ///
        /// - Parameter limit: bytes in all; the least recently used go first.
        public static func memory(limit: Int = 64 << 20) -> Place { Place(kind: .memory(limit: limit)) }

        /// Files in a folder, which is made (for its owner only) if only its last part is missing.
        ///
        /// - Parameter limit: bytes in all; the least recently used go first.
        public static func folder(_ path: String, limit: Int = 512 << 20) -> Place {
            Place(kind: .folder(path, limit: limit))
        }
    }

    /// What happens to responses to requests with credentials.
    public enum Credentials: Sendable, Hashable {
        /// They are not kept, and nothing but what is `public` is given to such requests.
        case skipped
        /// In memory they are kept for requests with the same credentials. In a folder they are not kept.
        case separate
    }

    /// Counters, as of now.
    public struct Statistics: Sendable, Hashable {
        /// Answered without the server.
        public var hits = 0
        /// Answered after the server said that the response still holds.
        public var revalidations = 0
        /// Answered although the response was no longer fresh.
        public var stale = 0
        /// Answered by the server.
        public var misses = 0
        /// Responses that were kept.
        public var stored = 0
        /// Responses that are there now. Of a folder: known since its first use.
        public var entries = 0
        /// What they take.
        public var bytes = 0
        /// Responses that had to go for others.
        public var evictions = 0
        /// Files that could not be written.
        public var writeFailures = 0
        /// Files that were damaged, and dropped.
        public var damaged = 0
    }

    struct Counters {
        var hits = 0
        var revalidations = 0
        var stale = 0
        var misses = 0
        var stored = 0
    }

    let store: any CacheStore
    /// The store again, where it needs no thread.
    let memory: MemoryStore?
    let entryLimit: Int
    let credentials: Credentials
    let clock: WallClock
    let counters = Mutex(Counters())
    let work = Mutex(CacheWork())
    /// Set while nothing is being written.
    let isIdle = AsyncEvent()

    /// - Parameters:
    ///   - place: memory, or a folder.
    ///   - entryLimit: the largest body that is kept, in bytes, decoded.
    ///   - credentials: what happens to responses to requests with credentials.
    ///   - logger: told once if a folder cannot be written to.
    public convenience init(
        _ place: Place = .memory(),
        entryLimit: Int = 8 << 20,
        credentials: Credentials = .skipped,
        logger: Logger = Logger(label: "apus.cache")
    ) {
        self.init(place, entryLimit: entryLimit, credentials: credentials, logger: logger, clock: .system, writer: nil)
    }

    init(
        _ place: Place,
        entryLimit: Int = 8 << 20,
        credentials: Credentials = .skipped,
        logger: Logger = Logger(label: "apus.cache"),
        clock: WallClock,
        writer: OutputFile.Writer? = nil
    ) {
        self.entryLimit = max(0, entryLimit)
        self.credentials = credentials
        self.clock = clock
        switch place.kind {
        case .memory(let limit):
            let made = MemoryStore(limit: max(0, limit))
            memory = made
            store = made
        case .folder(let path, let limit):
            var folder = CacheFolder(path: path)
            if let writer { folder.writer = writer }
            memory = nil
            store = DiskStore(folder: folder, limit: max(0, limit), logger: logger)
        }
        isIdle.set()
    }

    /// Counters, as of now.
    public var statistics: Statistics {
        let (counted, kept) = (counters.withLock { $0 }, store.statistics)
        return Statistics(
            hits: counted.hits,
            revalidations: counted.revalidations,
            stale: counted.stale,
            misses: counted.misses,
            stored: counted.stored,
            entries: kept.entries,
            bytes: kept.bytes,
            evictions: kept.evictions,
            writeFailures: kept.failures,
            damaged: kept.damaged
        )
    }

    /// Drops what is kept of a URL, for all credentials and variants, but for what came through a
    /// ``ClientSession/Configuration/unixSocketPath``.
    ///
    /// - Throws: ``URIError``; `CancellationError`, ``OffloadError`` where it is a folder.
    ///
    /// Cancel safety: it may or may not have been dropped.
    public func remove(_ url: some RequestURL) async throws { try await invalidate(try url.uri(), socket: nil) }

    /// Drops everything.
    ///
    /// - Throws: `CancellationError`, ``OffloadError`` where it is a folder.
    ///
    /// Cancel safety: it may or may not have been dropped.
    public func removeAll() async throws {
        work.withLock { $0.invalidateAll() }
        try await store.removeAll()
    }

    /// Waits until everything that was kept so far is in its file. Of memory it always is.
    ///
    /// - Throws: `CancellationError`.
    ///
    /// Cancel safety: ends the wait.
    public func flush() async throws { try await isIdle.wait() }
}

/// What a cache has under way. A value behind its lock.
struct CacheWork {
    /// What may wait for its file, in bytes; beyond it, responses are not kept.
    static let pendingLimit = 32 << 20
    private static let invalidationLimit = 1_024

    private var pendingBytes = 0
    private var pendingWrites = 0
    /// Keys whose response is being validated in the background.
    private var validating: Set<String> = []
    /// Counts invalidations, so that what was asked for before one is not kept after it.
    private(set) var moment = 0
    private var invalidated: [String: Int] = [:]
    private var allInvalidated = 0

    mutating func invalidate(_ key: String) {
        moment += 1
        if invalidated.count >= Self.invalidationLimit {
            invalidated = [:]
            allInvalidated = moment
        }
        invalidated[key] = moment
    }

    mutating func invalidateAll() {
        moment += 1
        invalidated = [:]
        allInvalidated = moment
    }

    /// Whether what was asked for at a moment is still worth keeping.
    func isCurrent(_ key: String, since moment: Int) -> Bool {
        moment >= allInvalidated && moment >= invalidated[key] ?? 0
    }

    /// - Returns: whether there is room for it.
    mutating func beginWrite(_ bytes: Int) -> Bool {
        guard pendingBytes + bytes <= Self.pendingLimit || pendingWrites == 0 else { return false }
        pendingBytes += bytes
        pendingWrites += 1
        return true
    }

    /// - Returns: whether it was the last.
    mutating func endWrite(_ bytes: Int) -> Bool {
        pendingBytes -= bytes
        pendingWrites -= 1
        return pendingWrites == 0
    }

    mutating func beginValidation(_ key: String) -> Bool { validating.insert(key).inserted }

    mutating func endValidation(_ key: String) { validating.remove(key) }
}
