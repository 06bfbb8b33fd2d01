/// Everything a peer could make grow, with its bound.
///
/// A limit is the largest size that is still accepted; one byte (or field, or message) more is an `HTTP1Error` that
/// names the limit and its value.
public struct HTTP1Limits: Sendable, Hashable {
    /// The start line in bytes, without its CRLF. RFC 9112 §3 asks for at least 8,000; URLs with signed queries pass
    /// that, and no browser sends 16 KiB.
    public var startLine = 16 * 1024

    /// One field line in bytes, without its CRLF. Kerberos tickets and large cookies reach 48 KiB.
    public var fieldLine = 64 * 1024

    /// The number of field lines in one head or in one trailer section. Real heads stay below 100; each field costs a
    /// table entry, so that many tiny ones must not multiply the memory of a head.
    public var fieldCount = 256

    /// A whole head in bytes: start line, field lines, all line ends. Two of the largest field lines.
    public var head = 128 * 1024

    /// One chunk-size line in bytes, without its CRLF. Extensions are ignored, and nobody sends long ones except to
    /// make a reader work for bytes that carry nothing.
    public var chunkSizeLine = 4 * 1024

    /// The bytes of all chunk extensions in one body. Without it, one byte of data per 4 KiB of extension goes on for
    /// ever.
    public var chunkExtensions = 16 * 1024

    /// A trailer section in bytes, all line ends included. Trailers carry checksums and a status.
    public var trailers = 16 * 1024

    /// Interim (1xx) responses before one final response. 103 Early Hints may come a few times; an endless series
    /// would keep a client busy for ever.
    public var interimResponses = 32

    /// The default limits.
    public init() {}

    // Offsets in a head are stored in 32 bits, and `HTTPFields` traps at 65,535 fields: a limit set past these is held
    // here, so that no setting makes input dangerous.
    var effectiveHead: Int { min(head, 1 << 30) }
    var effectiveFieldCount: Int { min(fieldCount, 60_000) }
}
