import CZlib

/// zlib's decompressor.
final class InflateStream {
    /// The formats around the same compressed data, as zlib's window bits.
    enum Format: Int32 {
        /// RFC 1950.
        case zlib = 15
        /// RFC 1951.
        case bare = -15
        /// RFC 1952.
        case gzip = 31
    }

    /// In a place of its own: zlib remembers its address.
    private let stream: UnsafeMutablePointer<z_stream>
    /// Whether zlib refused to begin: there was no memory.
    private let refusal: Int32

    init(_ format: Format) {
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
        refusal = apus_inflate_init(stream, format.rawValue)
    }

    deinit {
        inflateEnd(stream)
        stream.deinitialize(count: 1)
        stream.deallocate()
    }

    /// Begins anew.
    func reset() { inflateReset(stream) }

    /// - Returns: the step, and whether it came to the end, which includes the check sum.
    func run(
        _ input: UnsafeRawBufferPointer,
        into output: UnsafeMutableRawBufferPointer
    ) -> (step: DecodingStep, isAtEnd: Bool) {
        guard refusal == Z_OK else { return (DecodingStep(failure: "zlib has no memory (\(refusal))"), false) }
        let available = UInt32(clamping: input.count)
        let room = UInt32(clamping: output.count)
        // zlib does not write to its input, whatever the type says.
        stream.pointee.next_in = UnsafeMutablePointer(mutating: input.baseAddress?.assumingMemoryBound(to: Bytef.self))
        stream.pointee.avail_in = available
        stream.pointee.next_out = output.baseAddress?.assumingMemoryBound(to: Bytef.self)
        stream.pointee.avail_out = room
        let result = inflate(stream, Z_NO_FLUSH)
        var step = DecodingStep(
            consumed: Int(available - stream.pointee.avail_in),
            produced: Int(room - stream.pointee.avail_out)
        )
        switch result {
        // Z_BUF_ERROR: nothing to do without more of the one or the other.
        case Z_OK, Z_BUF_ERROR: return (step, false)
        case Z_STREAM_END: return (step, true)
        case Z_NEED_DICT: step.failure = "a preset dictionary is needed, which HTTP has no way to agree on"
        case Z_MEM_ERROR: step.failure = "zlib has no memory"
        default: step.failure = stream.pointee.msg.map { String(cString: $0) } ?? "zlib's error \(result)"
        }
        return (step, false)
    }
}
