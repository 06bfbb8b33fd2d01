/// `zstd` (RFC 8878), by the system's libzstd: one frame, at the library's own level, whose window is well below the 8 MiB of RFC 9659.
final class ZstandardEncoder: ContentEncoder {
    private let library: ZstandardEncoderLibrary
    private let state: OpaquePointer?

    init(_ library: ZstandardEncoderLibrary) {
        self.library = library
        state = library.create()
    }

    deinit { if let state { _ = library.free(state) } }

    func encode(
        _ input: UnsafeRawBufferPointer,
        isLast: Bool,
        into output: UnsafeMutableRawBufferPointer
    ) -> EncodingStep {
        guard let state else { return EncodingStep(failure: "libzstd has no memory") }
        var source = ZstandardLibrary.Input(bytes: input.baseAddress, count: input.count, position: 0)
        var target = ZstandardLibrary.Output(bytes: output.baseAddress, count: output.count, position: 0)
        let goOn = ZstandardEncoderLibrary.goOn
        let result = library.compress(state, &target, &source, isLast ? ZstandardEncoderLibrary.end : goOn)
        var step = EncodingStep(consumed: source.position, produced: target.position)
        if library.isError(result) != 0 {
            step.failure = library.errorName(result).map { String(cString: $0) } ?? "zstd's error"
        } else {
            // 0 when the frame is ended, and all of it given out.
            step.isFinished = isLast && result == 0
        }
        return step
    }
}

/// The functions of `libzstd.so.1` (zstd.h, its stable part) that encode.
// @unchecked: addresses of functions that any thread may call.
struct ZstandardEncoderLibrary: @unchecked Sendable {
    /// ZSTD_e_continue and ZSTD_e_end.
    static let goOn: Int32 = 0
    static let end: Int32 = 2

    typealias Create = @convention(c) () -> OpaquePointer?
    typealias Free = @convention(c) (OpaquePointer) -> Int
    typealias Compress =
        @convention(c) (OpaquePointer, UnsafeMutableRawPointer, UnsafeMutableRawPointer, Int32) -> Int

    let create: Create
    let free: Free
    let compress: Compress
    let isError: ZstandardLibrary.IsError
    let errorName: ZstandardLibrary.ErrorName

    /// Nil where the library is not installed.
    static let shared = ZstandardEncoderLibrary()

    private init?() {
        guard let library = SystemLibrary("libzstd.so.1"),
            let create = library.function("ZSTD_createCCtx", Create.self),
            let free = library.function("ZSTD_freeCCtx", Free.self),
            let compress = library.function("ZSTD_compressStream2", Compress.self),
            let isError = library.function("ZSTD_isError", ZstandardLibrary.IsError.self),
            let errorName = library.function("ZSTD_getErrorName", ZstandardLibrary.ErrorName.self)
        else { return nil }
        self.create = create
        self.free = free
        self.compress = compress
        self.isError = isError
        self.errorName = errorName
    }
}
