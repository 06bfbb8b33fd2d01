/// `br` (RFC 7932), by the system's libbrotlienc.
final class BrotliEncoder: ContentEncoder {
    /// The library's own default is its slowest, 11, for files that are made once; from 5 on it takes as long as gzip's level 6.
    private static let quality: UInt32 = 5

    private let library: BrotliEncoderLibrary
    private let state: OpaquePointer?

    init(_ library: BrotliEncoderLibrary) {
        self.library = library
        state = library.create(nil, nil, nil)
        if let state { _ = library.setParameter(state, BrotliEncoderLibrary.quality, Self.quality) }
    }

    deinit { if let state { library.destroy(state) } }

    func encode(
        _ input: UnsafeRawBufferPointer,
        isLast: Bool,
        into output: UnsafeMutableRawBufferPointer
    ) -> EncodingStep {
        guard let state else { return EncodingStep(failure: "libbrotlienc has no memory") }
        var (available, room) = (input.count, output.count)
        var nextIn = input.baseAddress?.assumingMemoryBound(to: UInt8.self)
        var nextOut = output.baseAddress?.assumingMemoryBound(to: UInt8.self)
        let operation = isLast ? BrotliEncoderLibrary.finish : BrotliEncoderLibrary.process
        let isGood = library.compress(state, operation, &available, &nextIn, &room, &nextOut, nil) != 0
        return EncodingStep(
            consumed: input.count - available,
            produced: output.count - room,
            isFinished: library.isFinished(state) != 0,
            failure: isGood ? nil : "brotli's error"
        )
    }
}

/// The functions of `libbrotlienc.so.1` (brotli/encode.h).
// @unchecked: addresses of functions that any thread may call.
struct BrotliEncoderLibrary: @unchecked Sendable {
    /// BROTLI_PARAM_QUALITY.
    static let quality: Int32 = 1
    /// BROTLI_OPERATION_PROCESS and BROTLI_OPERATION_FINISH.
    static let process: Int32 = 0
    static let finish: Int32 = 2

    typealias SetParameter = @convention(c) (OpaquePointer, Int32, UInt32) -> Int32
    typealias Compress =
        @convention(c) (
            OpaquePointer, Int32, UnsafeMutablePointer<Int>, UnsafeMutablePointer<UnsafePointer<UInt8>?>,
            UnsafeMutablePointer<Int>, UnsafeMutablePointer<UnsafeMutablePointer<UInt8>?>, UnsafeMutablePointer<Int>?
        ) -> Int32
    typealias IsFinished = @convention(c) (OpaquePointer) -> Int32

    let create: BrotliLibrary.Create
    let destroy: BrotliLibrary.Destroy
    let setParameter: SetParameter
    let compress: Compress
    let isFinished: IsFinished

    /// Nil where the library is not installed.
    static let shared = BrotliEncoderLibrary()

    private init?() {
        guard let library = SystemLibrary("libbrotlienc.so.1"),
            let create = library.function("BrotliEncoderCreateInstance", BrotliLibrary.Create.self),
            let destroy = library.function("BrotliEncoderDestroyInstance", BrotliLibrary.Destroy.self),
            let setParameter = library.function("BrotliEncoderSetParameter", SetParameter.self),
            let compress = library.function("BrotliEncoderCompressStream", Compress.self),
            let isFinished = library.function("BrotliEncoderIsFinished", IsFinished.self)
        else { return nil }
        self.create = create
        self.destroy = destroy
        self.setParameter = setParameter
        self.compress = compress
        self.isFinished = isFinished
    }
}
