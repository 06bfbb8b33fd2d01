/// The Content-Disposition of a field of `multipart/form-data` (RFC 7578 §4.2, WHATWG HTML §4.10.21.8).
package enum MultipartFormField {
    /// How a file name outside of ASCII is written.
    package enum FileNameStyle: Sendable {
        /// As UTF-8, as browsers do and RFC 7578 §5.1.3 recommends.
        case utf8
        /// As UTF-8, and again as `filename*` (RFC 8187). RFC 7578 §4.2 forbids it in forms; some servers want it.
        case extended
    }

    /// `form-data; name="…"; filename="…"`, fit for a header field whatever the texts have in them.
    package static func disposition(
        name: String,
        filename: String? = nil,
        style: FileNameStyle = .utf8
    ) -> String {
        var value = Array("form-data; name=\"".utf8)
        // WHATWG HTML "multipart/form-data encoding algorithm" step 3: line ends in names become CRLF, in file names not.
        append(escaped: name, normalisingLineEnds: true, to: &value)
        value.append(0x22)
        if let filename {
            value += "; filename=\"".utf8
            append(escaped: filename, normalisingLineEnds: false, to: &value)
            value.append(0x22)
            if style == .extended, !filename.utf8.allSatisfy({ $0 < 0x80 }) {
                value += "; filename*=".utf8
                value += ExtendedValue.encode(filename).utf8
            }
        }
        return String(decoding: value, as: UTF8.self)
    }

    // WHATWG: LF is %0A, CR is %0D, the quotation mark %22, and nothing else is escaped, not even "%". Other control
    // characters cannot stand in a field at all (RFC 9110 §5.5), so they are escaped in the same way.
    private static func append(escaped text: String, normalisingLineEnds: Bool, to output: inout [UInt8]) {
        var previous: UInt8 = 0
        for byte in text.utf8 {
            if normalisingLineEnds {
                if previous == 0x0D, byte != 0x0A { output += "%0A".utf8 }
                if byte == 0x0A, previous != 0x0D { output += "%0D".utf8 }
            }
            if byte < 0x20 || byte == 0x7F || byte == 0x22 {
                PercentEncoding.append(encoded: byte, to: &output)
            } else {
                output.append(byte)
            }
            previous = byte
        }
        if normalisingLineEnds, previous == 0x0D { output += "%0A".utf8 }
    }
}
