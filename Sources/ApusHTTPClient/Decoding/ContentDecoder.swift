/// One coding of a body, decoded in steps into memory of the caller's. Knows nothing of HTTP.
protocol ContentDecoder: AnyObject {
    /// Decodes as much of `input` as `output`, which is not empty, has room for.
    ///
    /// A step that takes and makes nothing needs more input, or is ``isFinished``.
    func decode(_ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer) -> DecodingStep

    /// Whether what was decoded so far is complete: checked to its end, and all of it given out.
    var isWhole: Bool { get }

    /// Whether nothing that follows can belong to it.
    var isFinished: Bool { get }
}

/// What one call of a ``ContentDecoder`` did.
struct DecodingStep {
    /// Bytes taken.
    var consumed = 0
    /// Bytes made: they are good even if there is a failure behind them.
    var produced = 0
    /// Why it cannot go on, in the library's words.
    var failure: String?
}
