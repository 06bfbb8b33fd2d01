import ApusWire

/// How a request's body is compressed (`Content-Encoding`, RFC 9110 §8.4): see ``RequestOptions/compression``.
///
/// Nothing tells beforehand what a server understands: one that does not answers 415 (RFC 9110 §15.5.16), or takes the body for garbage.
public struct RequestCompression: Sendable, Hashable, CustomStringConvertible {
    let coding: ContentCoding

    /// Understood by most servers that understand any.
    public static let gzip = RequestCompression(coding: .gzip)
    /// `deflate` in zlib's format, as RFC 9110 §8.4.1.2 says.
    public static let deflate = RequestCompression(coding: .deflate)
    /// `br`, by the system's libbrotlienc.
    public static let brotli = RequestCompression(coding: .brotli)
    /// `zstd`, by the system's libzstd: smaller and several times faster than gzip.
    public static let zstd = RequestCompression(coding: .zstd)

    /// Whether this system has the library for it: gzip and deflate are always there.
    public var isAvailable: Bool { coding.canEncode }

    /// Its name in `Content-Encoding`.
    public var description: String { coding.description }
}
