/// One coding of a body, encoded in steps into memory of the caller's. Knows nothing of HTTP.
protocol ContentEncoder: AnyObject {
    /// Encodes as much of `input` as `output`, which is not empty, has room for.
    ///
    /// - Parameter isLast: whether nothing follows `input`. Once true it stays true, until a step says that it is finished.
    func encode(
        _ input: UnsafeRawBufferPointer,
        isLast: Bool,
        into output: UnsafeMutableRawBufferPointer
    ) -> EncodingStep
}

/// What one call of a ``ContentEncoder`` did.
struct EncodingStep {
    /// Bytes taken.
    var consumed = 0
    /// Bytes made.
    var produced = 0
    /// Whether the coding is at its end, and all of it given out.
    var isFinished = false
    /// Why it cannot go on, in the library's words.
    var failure: String?
}
