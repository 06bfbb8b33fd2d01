import ApusWire

/// A body being encoded: plain bytes go in, in steps that are short enough for a loop, and coded ones come out in pieces of 16 KiB.
final class ContentEncoding {
    /// Bytes taken at a time: a millisecond's work, about.
    private static let stepSize = 32 * 1024
    private static let pieceSize = 16 * 1024

    private let encoder: any ContentEncoder
    private let coding: ContentCoding
    /// What has been made, and is not a whole piece yet.
    private var output = [UInt8](repeating: 0, count: pieceSize)
    private var filled = 0
    /// Whether the encoder may have more for which there was no room.
    private var hasMore = false
    private var isFinished = false

    /// Nil for a coding that cannot be made here.
    init?(_ coding: ContentCoding) {
        guard let encoder = coding.makeEncoder() else { return nil }
        self.encoder = encoder
        self.coding = coding
    }

    /// Takes a step.
    ///
    /// - Parameters:
    ///   - input: what the step takes is removed from its front.
    ///   - isLast: whether nothing follows `input`.
    /// - Returns: coded bytes, or nothing if they are not worth sending yet; nil if there is nothing left to do.
    /// - Throws: a ``ClientError``, if the library fails.
    func next(_ input: inout ArraySlice<UInt8>, isLast: Bool) throws -> ArraySlice<UInt8>? {
        if isFinished || !isLast && input.isEmpty && !hasMore { return nil }
        let part = input.prefix(Self.stepSize)
        let step = part.withUnsafeBytes { source in
            output.withUnsafeMutableBytes { target in
                encoder.encode(
                    source,
                    isLast: isLast && part.count == input.count,
                    into: UnsafeMutableRawBufferPointer(rebasing: target[filled...])
                )
            }
        }
        if let failure = step.failure {
            throw ClientError(.bodyFailed, "The request's body cannot be compressed (\(coding)): \(failure).")
        }
        input = input.dropFirst(step.consumed)
        filled += step.produced
        isFinished = step.isFinished
        hasMore = filled == output.count
        guard hasMore || isFinished else { return [] }
        defer { filled = 0 }
        return output[..<filled]
    }

    /// All of a small body.
    ///
    /// - Throws: a ``ClientError``, if the library fails.
    func encode(_ bytes: [UInt8]) throws -> [UInt8] {
        var (rest, result) = (bytes[...], [UInt8]())
        while let piece = try next(&rest, isLast: true) { result += piece }
        return result
    }
}

extension ContentCoding {
    /// Whether it can be made here: the library that it needs is installed.
    var canEncode: Bool {
        switch self {
        case .gzip, .deflate: true
        case .brotli: BrotliEncoderLibrary.shared != nil
        case .zstd: ZstandardEncoderLibrary.shared != nil
        case .other: false
        }
    }

    func makeEncoder() -> (any ContentEncoder)? {
        switch self {
        case .gzip: DeflateEncoder(.gzip)
        case .deflate: DeflateEncoder(.zlib)
        case .brotli: BrotliEncoderLibrary.shared.map { BrotliEncoder($0) }
        case .zstd: ZstandardEncoderLibrary.shared.map { ZstandardEncoder($0) }
        case .other: nil
        }
    }
}
