/// Parameter values with a character set (RFC 8187): `UTF-8''na%C3%AFve`.
enum ExtendedValue {
    // RFC 8187 §3.2.1: attr-char = ALPHA / DIGIT / "!" / "#" / "$" / "&" / "+" / "-" / "." / "^" / "_" / "`" / "|" / "~".
    private static func isPlain(_ byte: UInt8) -> Bool {
        HTTP1Grammar.isToken(byte) && byte != 0x2A && byte != 0x27 && byte != 0x25
    }

    /// The value for a parameter whose name ends in `*`.
    static func encode(_ text: String) -> String {
        var output = Array("UTF-8''".utf8)
        for byte in text.utf8 {
            if isPlain(byte) { output.append(byte) } else { PercentEncoding.append(encoded: byte, to: &output) }
        }
        return String(decoding: output, as: UTF8.self)
    }

    // RFC 8187 §3.2.1: ext-value = charset "'" [ language ] "'" value-chars.
    /// The text; nil if it is malformed, or in a character set other than UTF-8 and ISO-8859-1, which all must know.
    static func decode(_ value: String) -> String? {
        let parts = value.utf8.split(separator: 0x27, maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3 else { return nil }
        return decode(ArraySlice(parts[2]), charset: String(decoding: parts[0], as: UTF8.self))
    }

    static func decode(_ text: ArraySlice<UInt8>, charset: String) -> String? {
        guard let bytes = octets(text) else { return nil }
        switch HeaderScanner.lowercased(charset) {
        case "utf-8": return String(validating: bytes, as: UTF8.self)
        case "iso-8859-1": return String(String.UnicodeScalarView(bytes.map { Unicode.Scalar($0) }))
        default: return nil
        }
    }

    /// The bytes; nil if a `%` is not followed by two digits.
    static func octets(_ text: ArraySlice<UInt8>) -> [UInt8]? {
        var bytes: [UInt8] = []
        var index = text.startIndex
        while index < text.endIndex {
            guard text[index] == 0x25 else {
                bytes.append(text[index])
                index += 1
                continue
            }
            guard text.endIndex - index >= 3 else { return nil }
            let high = HTTP1Grammar.hexDigit(text[index + 1])
            let low = HTTP1Grammar.hexDigit(text[index + 2])
            guard high != 0xFF, low != 0xFF else { return nil }
            bytes.append(high << 4 | low)
            index += 3
        }
        return bytes
    }
}
