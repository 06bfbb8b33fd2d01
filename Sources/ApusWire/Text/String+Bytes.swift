// Texts from bytes, of the sizes that heads have.
extension String {
    /// The most bytes that a text has room for in itself.
    private static var smallSize: Int { 15 }

    /// As `String(decoding: bytes, as: UTF8.self)`: what is malformed becomes U+FFFD.
    ///
    /// A text of up to 15 bytes lies in the string itself. The general way checks it and then copies it byte by byte, with 250 instructions
    /// for 13 bytes; this one has 150 for any number.
    package init(utf8 bytes: UnsafeRawBufferPointer) {
        guard bytes.count <= Self.smallSize else {
            self.init(decoding: bytes, as: UTF8.self)
            return
        }
        self.init(unsafeUninitializedCapacity: bytes.count) { room in
            // `bytes` has no more than `room`: it was asked for with that count.
            UnsafeMutableRawBufferPointer(room).copyMemory(from: bytes)
            return bytes.count
        }
    }

    /// Of bytes that are known to be ASCII, which are not checked again.
    init(ascii bytes: UnsafeRawBufferPointer) {
        // Byte by byte is the shorter way for so few.
        if bytes.count > 4, bytes.count <= Self.smallSize {
            self.init(utf8: bytes)
        } else {
            self = bytes.withMemoryRebound(to: UInt8.self) {
                // unchecked: the caller has seen that all of them are ASCII, which is well-formed UTF-8.
                String(copying: UTF8Span(unchecked: $0.span, isKnownASCII: true))
            }
        }
    }
}
