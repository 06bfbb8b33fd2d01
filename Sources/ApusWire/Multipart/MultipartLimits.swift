/// The bounds of what `MultipartParser` takes. The size of parts is bounded by whoever collects them.
public struct MultipartLimits: Sendable, Hashable {
    /// The bytes of one part's header fields together.
    public var headerBytes = 16 * 1024
    /// The number of header fields of one part.
    public var fieldCount = 64
    /// The number of parts.
    public var partCount = 1_000

    /// The default limits.
    public init() {}

    /// Spaces and tabs behind a boundary (RFC 2046 §5.1.1: transport-padding, which nobody should generate).
    static let padding = 128
}
