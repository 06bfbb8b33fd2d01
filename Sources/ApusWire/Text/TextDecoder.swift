/// Makes text of bytes as they arrive: the result is the same however they are cut.
///
/// What is malformed becomes U+FFFD, as on the web; `malformedOffset` says where the first such place is, for callers that
/// would rather throw. A byte order mark at the beginning is dropped, and overrides the encoding (WHATWG Encoding §6.1).
package struct TextDecoder: Sendable {
    /// The encoding in use: the one given until a byte order mark says otherwise.
    package private(set) var encoding: TextEncoding
    /// The offset in the input of the first byte that is not of the encoding; nil if there was none so far.
    package private(set) var malformedOffset: Int?

    private var isAtStart = true
    /// Bytes at the end that may be the beginning of a character: at most three.
    private var rest: [UInt8] = []
    /// The offset in the input of the first byte of `rest`, or of what comes next.
    private var offset = 0

    package init(_ encoding: TextEncoding) { self.encoding = encoding }

    /// The text of all these bytes.
    package static func decode(_ bytes: [UInt8], as encoding: TextEncoding) -> String {
        var decoder = TextDecoder(encoding)
        return decoder.decode(bytes) + decoder.finish()
    }

    /// The text of the next bytes, as far as it is certain.
    package mutating func decode(_ bytes: [UInt8]) -> String {
        guard !bytes.isEmpty else { return "" }
        var input = ArraySlice(rest.isEmpty ? bytes : rest + bytes)
        rest = []
        if isAtStart {
            if Self.mayBecomeMark(input) {
                rest = Array(input)
                return ""
            }
            input = takeMark(input)
        }
        return text(input, isLast: false)
    }

    /// The text of what is left at the end: nothing, or U+FFFD for a character that was cut off.
    package mutating func finish() -> String {
        var input = ArraySlice(rest)
        rest = []
        if isAtStart { input = takeMark(input) }
        return text(input, isLast: true)
    }

    private static func mayBecomeMark(_ input: ArraySlice<UInt8>) -> Bool {
        input.count < 3 && [0xEF, 0xBB, 0xBF].starts(with: input)
            || input.count < 2 && (input.first == 0xFE || input.first == 0xFF)
    }

    private mutating func takeMark(_ input: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        isAtStart = false
        guard let mark = TextEncoding.byteOrderMark(input) else { return input }
        encoding = mark.encoding
        offset += mark.length
        return input.dropFirst(mark.length)
    }

    private mutating func text(_ input: ArraySlice<UInt8>, isLast: Bool) -> String {
        let whole = isLast ? input.count : input.count - incompleteCount(input)
        let complete = input.prefix(whole)
        rest = Array(input.dropFirst(whole))
        defer { offset += whole }
        switch encoding {
        case .utf8: return utf8(complete)
        case .utf16LittleEndian: return utf16(complete, low: 0)
        case .utf16BigEndian: return utf16(complete, low: 1)
        case .windows1252, .latin9:
            if complete.allSatisfy({ $0 < 0x80 }) { return String(decoding: complete, as: UTF8.self) }
            var view = String.UnicodeScalarView()
            for byte in complete { view.append(encoding.scalar(of: byte)) }
            return String(view)
        }
    }

    private mutating func note(_ index: Int) {
        if malformedOffset == nil { malformedOffset = offset + index }
    }

    // MARK: - UTF-8

    private mutating func utf8(_ input: ArraySlice<UInt8>) -> String {
        if let text = String(validating: input, as: UTF8.self) { return text }
        if malformedOffset == nil {
            var index = input.startIndex
            while index < input.endIndex {
                let length = Self.utf8Length(input[index...])
                guard length > 0 else { break }
                index += length
            }
            note(index - input.startIndex)
        }
        // The standard library replaces as WHATWG does: one U+FFFD for each longest beginning of a character.
        return String(decoding: input, as: UTF8.self)
    }

    // Unicode, table 3-7 (well-formed UTF-8 byte sequences).
    /// The length of the character at the beginning; 0 if there is none, negative if it may only be cut off: minus the number
    /// of bytes that are there.
    private static func utf8Length(_ input: ArraySlice<UInt8>) -> Int {
        guard let first = input.first else { return 0 }
        let length: Int
        var second: ClosedRange<UInt8> = 0x80...0xBF
        switch first {
        case 0..<0x80: return 1
        case 0xC2...0xDF: length = 2
        case 0xE0...0xEF:
            length = 3
            if first == 0xE0 { second = 0xA0...0xBF } else if first == 0xED { second = 0x80...0x9F }
        case 0xF0...0xF4:
            length = 4
            if first == 0xF0 { second = 0x90...0xBF } else if first == 0xF4 { second = 0x80...0x8F }
        default: return 0
        }
        for index in 1..<length {
            guard index < input.count else { return -index }
            let byte = input[input.startIndex + index]
            guard index == 1 ? second ~= byte : 0x80...0xBF ~= byte else { return 0 }
        }
        return length
    }

    /// How many bytes at the end may be the beginning of a character.
    private func incompleteCount(_ input: ArraySlice<UInt8>) -> Int {
        switch encoding {
        case .utf8:
            for count in stride(from: min(3, input.count), to: 0, by: -1) {
                let start = input.endIndex - count
                if Self.utf8Length(input[start...]) == -count { return count }
            }
            return 0
        case .utf16LittleEndian, .utf16BigEndian:
            let odd = input.count % 2
            let low = encoding == .utf16LittleEndian ? 0 : 1
            guard input.count - odd >= 2 else { return odd }
            // A high surrogate waits for its low one.
            let high = input[input.endIndex - odd - 2 + (1 - low)]
            return high & 0xFC == 0xD8 ? odd + 2 : odd
        case .windows1252, .latin9: return 0
        }
    }

    // MARK: - UTF-16

    /// - Parameter low: which byte of two is the lower one.
    private mutating func utf16(_ input: ArraySlice<UInt8>, low: Int) -> String {
        var view = String.UnicodeScalarView()
        var index = input.startIndex
        while index + 1 < input.endIndex {
            let unit = UInt32(input[index + low]) | UInt32(input[index + 1 - low]) << 8
            if let scalar = Unicode.Scalar(unit) {
                view.append(scalar)
                index += 2
                continue
            }
            if unit < 0xDC00, index + 3 < input.endIndex {
                let next = UInt32(input[index + 2 + low]) | UInt32(input[index + 3 - low]) << 8
                if 0xDC00...0xDFFF ~= next,
                    let scalar = Unicode.Scalar(0x10000 + (unit - 0xD800) << 10 + (next - 0xDC00))
                {
                    view.append(scalar)
                    index += 4
                    continue
                }
            }
            note(index - input.startIndex)
            view.append("\u{FFFD}")
            index += 2
            // WHATWG §14.2.1: half a pair, and half of the other half, are one malformed end.
            if unit < 0xDC00, index + 1 == input.endIndex { index += 1 }
        }
        if index < input.endIndex {
            note(index - input.startIndex)
            view.append("\u{FFFD}")
        }
        return String(view)
    }
}
