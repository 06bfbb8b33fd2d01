/// `br` (RFC 7932), by the system's libbrotlidec.
final class BrotliDecoder: ContentDecoder {
    private let library: BrotliLibrary
    private let state: OpaquePointer?
    private(set) var isFinished = false

    var isWhole: Bool { isFinished }

    init(_ library: BrotliLibrary) {
        self.library = library
        state = library.create(nil, nil, nil)
    }

    deinit { if let state { library.destroy(state) } }

    func decode(_ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer) -> DecodingStep {
        if isFinished { return DecodingStep() }
        guard let state else { return DecodingStep(failure: "libbrotlidec has no memory") }
        var (available, room) = (input.count, output.count)
        var nextIn = input.baseAddress?.assumingMemoryBound(to: UInt8.self)
        var nextOut = output.baseAddress?.assumingMemoryBound(to: UInt8.self)
        let result = library.decompress(state, &available, &nextIn, &room, &nextOut, nil)
        var step = DecodingStep(consumed: input.count - available, produced: output.count - room)
        switch result {
        case 0: step.failure = library.message(library.errorCode(state)).map { String(cString: $0) } ?? "brotli's error"
        case 1: isFinished = true
        // 2 and 3: more input is needed, or more room.
        default: break
        }
        return step
    }
}

/// The functions of `libbrotlidec.so.1` (brotli/decode.h).
// @unchecked: addresses of functions that any thread may call.
struct BrotliLibrary: @unchecked Sendable {
    typealias Create = @convention(c) (OpaquePointer?, OpaquePointer?, UnsafeMutableRawPointer?) -> OpaquePointer?
    typealias Destroy = @convention(c) (OpaquePointer) -> Void
    typealias Decompress =
        @convention(c) (
            OpaquePointer, UnsafeMutablePointer<Int>, UnsafeMutablePointer<UnsafePointer<UInt8>?>,
            UnsafeMutablePointer<Int>, UnsafeMutablePointer<UnsafeMutablePointer<UInt8>?>, UnsafeMutablePointer<Int>?
        ) -> Int32
    typealias ErrorCode = @convention(c) (OpaquePointer) -> Int32
    typealias Message = @convention(c) (Int32) -> UnsafePointer<CChar>?

    let create: Create
    let destroy: Destroy
    let decompress: Decompress
    let errorCode: ErrorCode
    let message: Message

    /// Nil where the library is not installed.
    static let shared = BrotliLibrary()

    private init?() {
        guard let library = SystemLibrary("libbrotlidec.so.1"),
            let create = library.function("BrotliDecoderCreateInstance", Create.self),
            let destroy = library.function("BrotliDecoderDestroyInstance", Destroy.self),
            let decompress = library.function("BrotliDecoderDecompressStream", Decompress.self),
            let errorCode = library.function("BrotliDecoderGetErrorCode", ErrorCode.self),
            let message = library.function("BrotliDecoderErrorString", Message.self)
        else { return nil }
        self.create = create
        self.destroy = destroy
        self.decompress = decompress
        self.errorCode = errorCode
        self.message = message
    }
}
