import ApusWire

/// What a head's Content-Encoding means for its body.
enum ContentPlan: Sendable, Hashable {
    /// The most codings that a body may have, over all its Content-Encoding lines: each multiplies what a byte can become.
    static let limit = 2

    /// The codings, the one that was applied last at the front: it is undone first.
    case decode([ContentCoding])
    /// More than ``limit``.
    case tooMany(Int)

    /// Nil: the body is given as it came, since it has no coding, or one that is not known here.
    init?(_ head: HTTP1ResponseHead) {
        // A part of a coded body (206) has no beginning to decode from.
        guard head.statusCode != 206 else { return nil }
        self.init(ContentCoding.list(head.block.values("content-encoding")))
    }

    init?(_ codings: [ContentCoding]) {
        guard !codings.isEmpty, codings.allSatisfy(\.isAvailable) else { return nil }
        self = codings.count > Self.limit ? .tooMany(codings.count) : .decode(codings.reversed())
    }
}

extension ContentCoding {
    /// What can be decoded on this system, in the order of `Accept-Encoding`.
    static let available = [gzip, deflate, brotli, zstd].filter(\.isAvailable)
    /// The value of `Accept-Encoding`.
    static let acceptEncoding = acceptEncoding(available)

    /// Whether it is known, and the library that it needs is installed.
    var isAvailable: Bool {
        switch self {
        case .gzip, .deflate: true
        case .brotli: BrotliLibrary.shared != nil
        case .zstd: ZstandardLibrary.shared != nil
        case .other: false
        }
    }

    func makeDecoder() -> (any ContentDecoder)? {
        switch self {
        case .gzip: GzipDecoder()
        case .deflate: DeflateDecoder()
        case .brotli: BrotliLibrary.shared.map { BrotliDecoder($0) }
        case .zstd: ZstandardLibrary.shared.map { ZstandardDecoder($0) }
        case .other: nil
        }
    }
}
