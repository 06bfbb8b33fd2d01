/// `zstd` (RFC 8878), by the system's libzstd: any number of frames, one behind the other.
final class ZstandardDecoder: ContentDecoder {
    /// RFC 9659 §3: a frame for HTTP has a window of at most 8 MiB; more would be the sender's hold on our memory.
    private static let windowLogLimit: Int32 = 23

    private let library: ZstandardLibrary
    private let state: OpaquePointer?
    private(set) var isWhole = false
    var isFinished: Bool { false }

    init(_ library: ZstandardLibrary) {
        self.library = library
        state = library.create()
        if let state { _ = library.setParameter(state, ZstandardLibrary.windowLogMax, Self.windowLogLimit) }
    }

    deinit { if let state { _ = library.free(state) } }

    func decode(_ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer) -> DecodingStep {
        guard let state else { return DecodingStep(failure: "libzstd has no memory") }
        var step = DecodingStep()
        var source = ZstandardLibrary.Input(bytes: input.baseAddress, count: input.count, position: 0)
        var target = ZstandardLibrary.Output(bytes: output.baseAddress, count: output.count, position: 0)
        // A call ends with a frame, or where one of the two is used up.
        repeat {
            if isWhole, source.position == source.count { break }
            let result = library.decompress(state, &target, &source)
            if library.isError(result) != 0 {
                step.failure = library.errorName(result).map { String(cString: $0) } ?? "zstd's error"
                break
            }
            // 0: a frame is decoded, and all of it given out.
            isWhole = result == 0
        } while source.position < source.count && target.position < target.count
        step.consumed = source.position
        step.produced = target.position
        return step
    }
}

/// The functions of `libzstd.so.1` (zstd.h, its stable part).
// @unchecked: addresses of functions that any thread may call.
struct ZstandardLibrary: @unchecked Sendable {
    /// ZSTD_inBuffer.
    struct Input {
        var bytes: UnsafeRawPointer?
        var count: Int
        var position: Int
    }

    /// ZSTD_outBuffer.
    struct Output {
        var bytes: UnsafeMutableRawPointer?
        var count: Int
        var position: Int
    }

    /// ZSTD_d_windowLogMax.
    static let windowLogMax: Int32 = 100

    typealias Create = @convention(c) () -> OpaquePointer?
    typealias Free = @convention(c) (OpaquePointer) -> Int
    typealias SetParameter = @convention(c) (OpaquePointer, Int32, Int32) -> Int
    // C structures of Swift's making are not allowed in such types: they have the same layout.
    typealias Decompress = @convention(c) (OpaquePointer, UnsafeMutableRawPointer, UnsafeMutableRawPointer) -> Int
    typealias IsError = @convention(c) (Int) -> UInt32
    typealias ErrorName = @convention(c) (Int) -> UnsafePointer<CChar>?

    let create: Create
    let free: Free
    let setParameter: SetParameter
    let decompress: Decompress
    let isError: IsError
    let errorName: ErrorName

    /// Nil where the library is not installed.
    static let shared = ZstandardLibrary()

    private init?() {
        guard let library = SystemLibrary("libzstd.so.1"),
            let create = library.function("ZSTD_createDStream", Create.self),
            let free = library.function("ZSTD_freeDStream", Free.self),
            let setParameter = library.function("ZSTD_DCtx_setParameter", SetParameter.self),
            let decompress = library.function("ZSTD_decompressStream", Decompress.self),
            let isError = library.function("ZSTD_isError", IsError.self),
            let errorName = library.function("ZSTD_getErrorName", ErrorName.self)
        else { return nil }
        self.create = create
        self.free = free
        self.setParameter = setParameter
        self.decompress = decompress
        self.isError = isError
        self.errorName = errorName
    }
}
