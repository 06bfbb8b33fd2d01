/// `deflate`: zlib's format (RFC 9110 §8.4.1.2, RFC 1950), or bare deflate data, which some servers send under that name.
final class DeflateDecoder: ContentDecoder {
    private var stream: InflateStream?
    /// The first byte, until the second one tells the format.
    private var first: UInt8?
    private(set) var isFinished = false

    var isWhole: Bool { isFinished }

    func decode(_ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer) -> DecodingStep {
        if isFinished { return DecodingStep() }
        if let stream { return run(stream, input, output) }
        guard let next = input.first else { return DecodingStep() }
        guard let first else {
            self.first = next
            return DecodingStep(consumed: 1)
        }
        let stream = InflateStream(Self.isZlib(first, next) ? .zlib : .bare)
        self.stream = stream
        // One byte makes nothing in either format, but may be wrong.
        let step = withUnsafeBytes(of: first) { stream.run($0, into: output).step }
        if step.failure != nil { return step }
        return run(stream, input, output)
    }

    private func run(
        _ stream: InflateStream,
        _ input: UnsafeRawBufferPointer,
        _ output: UnsafeMutableRawBufferPointer
    ) -> DecodingStep {
        let (step, isAtEnd) = stream.run(input, into: output)
        if isAtEnd { isFinished = true }
        return step
    }

    /// RFC 1950 §2.2: method 8, a window of at most 32 KiB, and a check: the two bytes are a multiple of 31.
    private static func isZlib(_ first: UInt8, _ second: UInt8) -> Bool {
        first & 0x0F == 8 && first >> 4 <= 7 && (UInt16(first) << 8 | UInt16(second)) % 31 == 0
    }
}
