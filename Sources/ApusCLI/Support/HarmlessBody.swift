/// A body for a terminal, piece by piece: what could command it, or turn text around, is shown as `\u{1B}`.
struct HarmlessBody {
    /// The beginning of a character, or a carriage return, whose rest is still to come.
    private var rest: [UInt8] = []

    /// What can be shown by now.
    mutating func add(_ piece: [UInt8]) -> [UInt8] {
        var bytes = rest + piece
        let cut = Self.unfinished(bytes)
        rest = Array(bytes.suffix(cut))
        bytes.removeLast(cut)
        return Self.shown(bytes)
    }

    /// What is left at the end.
    mutating func finish() -> [UInt8] {
        defer { rest = [] }
        return Self.shown(rest)
    }

    /// How many bytes at the end belong to what follows.
    private static func unfinished(_ bytes: [UInt8]) -> Int {
        if bytes.last == UInt8(ascii: "\r") { return 1 }
        // RFC 3629 §3: a first byte says how many follow it.
        for (index, byte) in bytes.reversed().prefix(3).enumerated() {
            if byte < 0x80 { return 0 }
            guard byte >= 0xC0 else { continue }
            let length = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : 2
            return index + 1 < length ? index + 1 : 0
        }
        return 0
    }

    private static func shown(_ bytes: [UInt8]) -> [UInt8] {
        if bytes.allSatisfy({ (0x20..<0x7F).contains($0) || $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\t") }) {
            return bytes
        }
        var result = String.UnicodeScalarView()
        var isReturn = false
        for scalar in String(decoding: bytes, as: UTF8.self).unicodeScalars {
            // A return alone would write over the line.
            if isReturn, scalar != "\n" { result += Format.escape("\r") }
            isReturn = scalar == "\r"
            if !isReturn { append(scalar, to: &result) }
        }
        if isReturn { result += Format.escape("\r") }
        return Array(String(result).utf8)
    }

    private static func append(_ scalar: Unicode.Scalar, to result: inout String.UnicodeScalarView) {
        switch scalar {
        // Some scripts and pictures need the joiners.
        case "\n", "\t", "\u{200C}", "\u{200D}": result.append(scalar)
        default:
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator: result += Format.escape(scalar)
            default: result.append(scalar)
            }
        }
    }
}
