/// Host names with letters outside of ASCII, turned into their ASCII form (IDNA: RFC 5890 to 5893, UTS #46).
///
/// What of UTS #46 is done, without its tables:
/// - **Mapping** (§4 step 1): the three other full stops (`。`, `．`, `｡`) become `.`, the full-width forms U+FF01 to U+FF5E
///   their ASCII characters, every other character its lower case. `ß` and `ς` stay (non-transitional processing).
///   A character whose mapping would need more than that (ligatures, half-width kana, ZERO WIDTH JOINER, soft hyphens …)
///   is refused rather than guessed at: the standard library knows `Changes_When_NFKC_Casefolded`, which is exactly the
///   set of characters that may not be in the result.
/// - **Normalisation** (step 2): NFC.
/// - **Validation** (step 4): see `InternationalLabel`.
/// - **ToASCII** (§4.2): Punycode, labels of at most 63 octets, hosts of at most 253.
///
/// Labels that begin with `xn--` already are taken as they are; the DNS knows whether they exist.
enum InternationalHost {
    /// More characters than this cannot come to the 253 octets of a name, composed or not.
    private static let maximumScalars = 1_024

    /// The text of a URI with its host in ASCII.
    ///
    /// - Parameter text: what `URIParser` refused for its host only: the scheme is followed by `//`, the authority has at
    ///   most one `@`, and no backslash.
    static func mapped(_ text: String) throws(URIError) -> String {
        let bytes = Array(text.utf8)
        guard let colon = bytes.firstIndex(of: 0x3A) else { return text }
        var start = min(colon + 3, bytes.count)
        let stop = bytes[start...].firstIndex { $0 == 0x2F || $0 == 0x3F || $0 == 0x23 } ?? bytes.endIndex
        if let at = bytes[start..<stop].firstIndex(of: 0x40) { start = at + 1 }
        let end = bytes[start..<stop].lastIndex(of: 0x3A) ?? stop
        let ascii = try ascii(String(decoding: bytes[start..<end], as: UTF8.self))
        return String(decoding: bytes[..<start] + ascii + bytes[end...], as: UTF8.self)
    }

    /// The host in ASCII: each label that has other characters as `xn--…`.
    static func ascii(_ host: String) throws(URIError) -> [UInt8] {
        guard host.unicodeScalars.count <= maximumScalars else {
            throw URIError(.invalidInternationalHost, "the host has more than \(maximumScalars) characters")
        }
        var text = String.UnicodeScalarView()
        for scalar in host.unicodeScalars { try append(scalar, to: &text) }
        // UTS #46 §4 step 2. The standard library keeps the form that it compares strings by.
        let composed = String(decoding: String(text)._nfcCodeUnits, as: UTF8.self)
        let labels = composed.unicodeScalars.split(separator: ".", omittingEmptySubsequences: false)
        // RFC 5893 §2: its rule concerns all labels as soon as one is written from right to left.
        let isBidirectional = labels.contains(where: InternationalLabel.isRightToLeft)
        var output: [UInt8] = []
        for (index, label) in labels.enumerated() {
            if index > 0 { output.append(0x2E) }
            let isASCII = label.allSatisfy(\.isASCII)
            if isASCII {
                output += label.map { UInt8(truncatingIfNeeded: $0.value) }
            } else {
                // Each character comes to one octet at least. Encoding takes the square of the length: look before.
                guard label.count <= 59 else { throw tooLong }
                try InternationalLabel.check(label)
                guard let encoded = Punycode.encode(label), encoded.count <= 59 else { throw tooLong }
                output += "xn--".utf8
                output += encoded
            }
            if isBidirectional { try InternationalLabel.checkDirection(label) }
        }
        return output
    }

    /// Appends what a character is mapped to.
    private static func append(
        _ scalar: Unicode.Scalar,
        to text: inout String.UnicodeScalarView
    ) throws(URIError) {
        switch scalar.value {
        case 0x3002, 0xFF0E, 0xFF61: text.append(".")
        case 0..<0x80, 0xFF01...0xFF5E:
            let value = scalar.value < 0x80 ? scalar.value : scalar.value - 0xFEE0
            let byte = UInt8(truncatingIfNeeded: value)
            // Nothing that a URI uses as a delimiter may appear by being mapped.
            guard (byte | 0x20) &- 0x61 < 26 || byte &- 0x30 < 10 || byte == 0x2D || byte == 0x2E || byte == 0x5F else {
                throw refused(scalar, "which no host has")
            }
            text.append(Unicode.Scalar(byte &- 0x41 < 26 ? byte | 0x20 : byte))
        case 0xDF, 0x3C2: text.append(scalar)
        default:
            guard scalar.properties.changesWhenNFKCCaseFolded else {
                text.append(scalar)
                return
            }
            for lower in scalar.properties.lowercaseMapping.unicodeScalars {
                guard lower.value == 0xDF || !lower.properties.changesWhenNFKCCaseFolded else {
                    throw refused(scalar, "which is not mapped to another here")
                }
                text.append(lower)
            }
        }
    }

    static func refused(_ scalar: Unicode.Scalar, _ reason: String) -> URIError {
        let number = String(scalar.value, radix: 16, uppercase: true)
        let code = String(repeating: "0", count: max(0, 4 - number.count)) + number
        return URIError(
            .invalidInternationalHost,
            "the host has the character U+\(code), \(reason); give the name's ASCII form, which begins with \"xn--\""
        )
    }

    private static var tooLong: URIError {
        URIError(.invalidInternationalHost, "a part of the host is longer than 63 characters in its ASCII form")
    }
}
