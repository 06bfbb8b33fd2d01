/// Where the parts of a URI lie within its text. What follows from another part is not stored: the query begins one
/// byte behind the path, the fragment one byte behind the query.
struct URIParts: Sendable, Hashable {
    var schemeEnd: UInt32 = 0
    var userinfoStart: UInt32 = 0
    var userinfoEnd: UInt32 = 0
    var hostStart: UInt32 = 0
    var hostEnd: UInt32 = 0
    var pathStart: UInt32 = 0
    var pathEnd: UInt32 = 0
    var queryEnd: UInt32 = 0
    /// 0: none given.
    var port: UInt16 = 0
    var isIPv6 = false
    var hasQuery = false
    var hasFragment = false

    // A scheme is never empty, so a userinfo never starts at 0.
    var hasUserinfo: Bool { userinfoStart != 0 }
}
