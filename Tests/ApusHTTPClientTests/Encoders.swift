import CZlib
import Glibc

/// Coded bodies for tests: zlib's by the library that decodes, the others where the system has the encoders.
enum Encoders {
    enum Format: Int32, CaseIterable {
        case gzip = 31
        case zlib = 15
        case bare = -15

        var coding: String { self == .gzip ? "gzip" : "deflate" }
    }

    static func deflate(_ bytes: [UInt8], _ format: Format = .gzip, level: Int32 = 6) -> [UInt8] {
        let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
        stream.initialize(to: z_stream())
        defer { stream.deallocate() }
        precondition(apus_deflate_init(stream, level, format.rawValue) == Z_OK)
        var input = bytes
        let room = Int(deflateBound(stream, UInt(bytes.count))) + 64
        let output = [UInt8](unsafeUninitializedCapacity: room) { buffer, count in
            input.withUnsafeMutableBufferPointer { source in
                stream.pointee.next_in = source.baseAddress
                stream.pointee.avail_in = UInt32(source.count)
                stream.pointee.next_out = buffer.baseAddress
                stream.pointee.avail_out = UInt32(buffer.count)
                precondition(CZlib.deflate(stream, Z_FINISH) == Z_STREAM_END)
                count = buffer.count - Int(stream.pointee.avail_out)
            }
        }
        deflateEnd(stream)
        return output
    }

    static func gzip(_ text: String) -> [UInt8] { deflate(Array(text.utf8)) }

    private static func function<Function>(_ library: String, _ name: String, _ type: Function.Type) -> Function? {
        guard let handle = dlopen(library, RTLD_NOW), let address = dlsym(handle, name) else { return nil }
        return unsafeBitCast(address, to: type)
    }

    private typealias BrotliCompress =
        @convention(c) (
            Int32, Int32, Int32, Int, UnsafePointer<UInt8>?, UnsafeMutablePointer<Int>, UnsafeMutablePointer<UInt8>?
        ) ->
        Int32
    private typealias ZstandardCompress =
        @convention(c) (UnsafeMutableRawPointer?, Int, UnsafeRawPointer?, Int, Int32) -> Int

    /// Nil where libbrotlienc is not installed.
    static func brotli(_ bytes: [UInt8]) -> [UInt8]? {
        guard let compress = function("libbrotlienc.so.1", "BrotliEncoderCompress", BrotliCompress.self) else {
            return nil
        }
        return [UInt8](unsafeUninitializedCapacity: bytes.count + 1024) { buffer, count in
            var size = buffer.count
            precondition(compress(5, 22, 0, bytes.count, bytes, &size, buffer.baseAddress) == 1)
            count = size
        }
    }

    /// Nil where libzstd is not installed.
    static func zstandard(_ bytes: [UInt8]) -> [UInt8]? {
        guard let compress = function("libzstd.so.1", "ZSTD_compress", ZstandardCompress.self) else { return nil }
        return [UInt8](unsafeUninitializedCapacity: bytes.count + 1024) { buffer, count in
            count = compress(buffer.baseAddress, buffer.count, bytes, bytes.count, 3)
        }
    }

    /// The same bytes in every coding that can be made here, with the name for Content-Encoding.
    static func all(_ bytes: [UInt8]) -> [(coding: String, bytes: [UInt8])] {
        var result = Format.allCases.map { ($0.coding, deflate(bytes, $0)) }
        if let bytes = brotli(bytes) { result.append(("br", bytes)) }
        if let bytes = zstandard(bytes) { result.append(("zstd", bytes)) }
        return result
    }

    /// Text that shrinks to some twentieth.
    static func prose(_ count: Int) -> [UInt8] {
        var random = SplitMix(seed: 7)
        var bytes: [UInt8] = []
        while bytes.count < count {
            bytes += Array("line \(random.next() % 100_000) of a long and rather uniform report: all is well\n".utf8)
        }
        return Array(bytes.prefix(count))
    }
}
