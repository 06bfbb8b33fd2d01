import ApusWire

extension ClientResponse {
    /// What an ``HTTPCache`` had to do with a response.
    public enum CacheStatus: String, Sendable, Hashable {
        /// It came from the cache; the server was not asked.
        case hit
        /// It came from the cache, and the server said that it still holds.
        case revalidated
        /// It came from the cache although it is no longer fresh: the server failed, or the request or the server allows it.
        case stale
        /// It came from the server.
        case miss
    }

    /// What an ``HTTPCache`` had to do with it; nil where none was asked.
    public var cacheStatus: CacheStatus? { storage.cacheStatus }

    /// How old the response says it is (RFC 9111 §5.1), which is how long it has been in caches, this side's included; nil if it does not
    /// say.
    public var age: Duration? {
        guard let text = head.block.first("age"), !text.isEmpty, text.utf8.allSatisfy({ $0 &- 0x30 < 10 }) else {
            return nil
        }
        return .seconds(CacheControl.seconds(text))
    }
}
