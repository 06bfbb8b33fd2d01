import Testing

@testable import ApusWire

@Suite("Texts from bytes")
struct StringBytesTests {
    @Test("a short way makes the same text as the general one", arguments: 0...20)
    func same(count: Int) {
        // Well-formed, cut off, and malformed in each place.
        let letters: [[UInt8]] = [Array("a".utf8), Array("ä€".utf8), [0xFF], Array("xy\u{1F600}".utf8), [0]]
        for letter in letters {
            var bytes: [UInt8] = []
            while bytes.count < count { bytes += letter }
            bytes = Array(bytes.prefix(count))
            for place in [nil] + bytes.indices.map(Optional.some) {
                if let place { bytes[place] = 0x80 }
                let text = bytes.withUnsafeBytes { String(utf8: $0) }
                #expect(Array(text.utf8) == Array(String(decoding: bytes, as: UTF8.self).utf8))
            }
        }
    }

    @Test("ASCII is taken as it is", arguments: 0...40)
    func ascii(count: Int) {
        let bytes = (0..<count).map { UInt8(0x20 + $0) }
        let text = bytes.withUnsafeBytes { String(ascii: $0) }
        #expect(text == String(decoding: bytes, as: UTF8.self))
        #expect(Array(text.utf8) == bytes)
    }
}
