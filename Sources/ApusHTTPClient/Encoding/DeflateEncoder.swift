import CZlib

/// `gzip` (RFC 1952) and `deflate` (RFC 1950), by zlib.
final class DeflateEncoder: ContentEncoder {
    /// zlib's own default, a balance of time and size: 6 of 9.
    private static let level: Int32 = 6

    /// In a place of its own: zlib remembers its address.
    private let stream: UnsafeMutablePointer<z_stream>
    /// Whether zlib refused to begin: there was no memory.
    private let refusal: Int32

    init(_ format: InflateStream.Format) {
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
        refusal = apus_deflate_init(stream, Self.level, format.rawValue)
    }

    deinit {
        deflateEnd(stream)
        stream.deinitialize(count: 1)
        stream.deallocate()
    }

    func encode(
        _ input: UnsafeRawBufferPointer,
        isLast: Bool,
        into output: UnsafeMutableRawBufferPointer
    ) -> EncodingStep {
        guard refusal == Z_OK else { return EncodingStep(failure: "zlib has no memory (\(refusal))") }
        let available = UInt32(clamping: input.count)
        let room = UInt32(clamping: output.count)
        // zlib does not write to its input, whatever the type says.
        stream.pointee.next_in = UnsafeMutablePointer(mutating: input.baseAddress?.assumingMemoryBound(to: Bytef.self))
        stream.pointee.avail_in = available
        stream.pointee.next_out = output.baseAddress?.assumingMemoryBound(to: Bytef.self)
        stream.pointee.avail_out = room
        let result = deflate(stream, isLast && Int(available) == input.count ? Z_FINISH : Z_NO_FLUSH)
        var step = EncodingStep(
            consumed: Int(available - stream.pointee.avail_in),
            produced: Int(room - stream.pointee.avail_out)
        )
        switch result {
        // Z_BUF_ERROR: nothing to do without more of the one or the other.
        case Z_OK, Z_BUF_ERROR: break
        case Z_STREAM_END: step.isFinished = true
        default: step.failure = "zlib's error \(result)"
        }
        return step
    }
}
