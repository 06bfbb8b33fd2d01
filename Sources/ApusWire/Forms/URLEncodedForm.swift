/// Bodies of type `application/x-www-form-urlencoded` (WHATWG URL §5).
public enum URLEncodedForm {
    /// The type of such a body.
    public static let contentType = "application/x-www-form-urlencoded"
    /// The number of fields that `decode` takes unless told otherwise.
    public static let defaultFieldLimit = 10_000

    /// A name with its value.
    public struct Field: Sendable, Hashable {
        /// Decoded.
        public var name: String
        /// Decoded.
        public var value: String

        /// A field with these.
        public init(name: String, value: String) {
            self.name = name
            self.value = value
        }
    }

    // WHATWG URL §5.2: letters, digits and "*-._" stay, a space becomes "+", every other byte %XX.
    /// The body for these fields, in their order.
    public static func encode(_ fields: [(String, String)]) -> String {
        var output: [UInt8] = []
        for (index, field) in fields.enumerated() {
            if index > 0 { output.append(0x26) }
            append(field.0, to: &output)
            output.append(0x3D)
            append(field.1, to: &output)
        }
        return String(decoding: output, as: UTF8.self)
    }

    private static func append(_ text: String, to output: inout [UInt8]) {
        for byte in text.utf8 {
            switch byte {
            case 0x20: output.append(0x2B)
            case 0x2A, 0x2D, 0x2E, 0x30...0x39, 0x41...0x5A, 0x5F, 0x61...0x7A: output.append(byte)
            default: PercentEncoding.append(encoded: byte, to: &output)
            }
        }
    }

    // WHATWG URL §5.1: fields between "&", empty ones skipped; without "=" the value is empty; "+" is a space; then
    // percent-decoding, where a "%" without two digits stays, and UTF-8, where what is none becomes U+FFFD.
    /// The fields of a body, in their order, names that occur twice included.
    ///
    /// - Parameters:
    ///   - bytes: the body.
    ///   - limit: the number of fields.
    /// - Throws: `URLEncodedFormError` if there are more fields.
    public static func decode(_ bytes: [UInt8], limit: Int = defaultFieldLimit) throws -> [Field] {
        var fields: [Field] = []
        var start = 0
        while start < bytes.count {
            // One at a time, so that the limit bounds the memory too.
            let end = bytes[start...].firstIndex(of: 0x26) ?? bytes.count
            let pair = bytes[start..<end]
            start = end + 1
            if pair.isEmpty { continue }
            guard fields.count < limit else { throw URLEncodedFormError(limit: limit) }
            let equals = pair.firstIndex(of: 0x3D) ?? pair.endIndex
            let value = equals < pair.endIndex ? pair[(equals + 1)...] : []
            fields.append(Field(name: decoded(pair[..<equals]), value: decoded(value)))
        }
        return fields
    }

    private static func decoded(_ text: ArraySlice<UInt8>) -> String {
        var output: [UInt8] = []
        output.reserveCapacity(text.count)
        var index = text.startIndex
        while index < text.endIndex {
            let byte = text[index]
            if byte == 0x25, text.endIndex - index > 2 {
                let high = HTTP1Grammar.hexDigit(text[index + 1])
                let low = HTTP1Grammar.hexDigit(text[index + 2])
                if high != 0xFF, low != 0xFF {
                    output.append(high << 4 | low)
                    index += 3
                    continue
                }
            }
            output.append(byte == 0x2B ? 0x20 : byte)
            index += 1
        }
        return String(decoding: output, as: UTF8.self)
    }
}

/// A form has more fields than the limit.
public struct URLEncodedFormError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The limit.
    public let limit: Int

    public var description: String { "a form has more than \(limit) fields; raise the limit if that is right" }
}
