/// Where the parts of a URI lie within its text. What follows from another part is not stored: the query begins one
/// byte behind the path, the fragment one byte behind the query.
@usableFromInline
struct URIParts: Sendable, Hashable {
    @usableFromInline var schemeEnd: UInt32 = 0
    @usableFromInline var userinfoStart: UInt32 = 0
    @usableFromInline var userinfoEnd: UInt32 = 0
    @usableFromInline var hostStart: UInt32 = 0
    @usableFromInline var hostEnd: UInt32 = 0
    @usableFromInline var pathStart: UInt32 = 0
    @usableFromInline var pathEnd: UInt32 = 0
    @usableFromInline var queryEnd: UInt32 = 0
    /// 0: none given.
    @usableFromInline var port: UInt16 = 0
    @usableFromInline var isIPv6 = false
    @usableFromInline var hasQuery = false
    @usableFromInline var hasFragment = false

    // A scheme is never empty, so a userinfo never starts at 0.
    @usableFromInline var hasUserinfo: Bool {
        @inlinable get { userinfoStart != 0 }
    }
}
