/// The line that separates the parts of a multipart body (RFC 2046 §5.1.1).
public struct MultipartBoundary: Sendable, Hashable, CustomStringConvertible {
    /// The longest one, in bytes.
    public static let maximumLength = 70

    let bytes: [UInt8]
    /// Made from random bytes: nobody can have put it into the content.
    let isRandom: Bool

    // RFC 2046 §5.1.1: boundary := 0*69<bchars> bcharsnospace; bchars := DIGIT / ALPHA / "'" / "(" / ")" / "+" / "_" /
    // "," / "-" / "." / "/" / ":" / "=" / "?" / " ".
    /// A boundary with this text.
    ///
    /// - Throws: `MultipartError.invalidBoundary` if it is empty, has more than 70 bytes, ends in a space or has a character
    ///   that boundaries cannot have.
    public init(_ text: String) throws {
        try self.init(bytes: Array(text.utf8), isRandom: false)
    }

    private init(bytes: [UInt8], isRandom: Bool) throws(MultipartError) {
        guard !bytes.isEmpty, bytes.count <= Self.maximumLength, bytes.last != 0x20, bytes.allSatisfy(Self.isAllowed)
        else {
            throw MultipartError(
                .invalidBoundary,
                "a boundary has 1 to \(Self.maximumLength) letters, digits and '()+_,-./:=? or spaces, the last no space"
            )
        }
        self.bytes = bytes
        self.isRandom = isRandom
    }

    /// A boundary of letters and digits from 128 random bits, which need no quotes in Content-Type and cannot be foreseen
    /// by whoever supplies content.
    package init(random high: UInt64, _ low: UInt64) {
        var text = Array("apus-".utf8)
        for word in [high, low] {
            for shift in stride(from: 60, through: 0, by: -4) {
                let digit = UInt8(truncatingIfNeeded: word >> UInt64(shift)) & 0xF
                text.append(digit < 10 ? 0x30 + digit : 0x57 + digit)
            }
        }
        bytes = text
        isRandom = true
    }

    private static func isAllowed(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x20, 0x27...0x29, 0x2B...0x2F, 0x3A, 0x3D, 0x3F, 0x5F: true
        default: false
        }
    }

    /// Whether content with these bytes would be cut by this boundary.
    package func occurs(in content: [UInt8]) -> Bool {
        let delimiter = [0x2D, 0x2D] + bytes
        if content.starts(with: delimiter) { return true }
        let wanted = [0x0D, 0x0A] + delimiter
        guard content.count >= wanted.count else { return false }
        // CR is no character of a boundary, so a try that failed behind a CR need not be looked at again.
        return content.withUnsafeBytes { content in
            var index = 0
            while index <= content.count - wanted.count {
                if content[index] != 0x0D {
                    index += 1
                    continue
                }
                var matched = 1
                while matched < wanted.count, content[index + matched] == wanted[matched] { matched += 1 }
                if matched == wanted.count { return true }
                index += matched
            }
            return false
        }
    }

    public var description: String { String(decoding: bytes, as: UTF8.self) }
}
