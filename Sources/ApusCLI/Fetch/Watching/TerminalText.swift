/// Text in the columns of a terminal.
enum TerminalText {
    /// How many columns a text takes that has no control characters: two for East Asian letters and pictures, none for what stands on
    /// another letter.
    static func columns(of text: some StringProtocol) -> Int {
        text.unicodeScalars.reduce(0) { $0 + columns(of: $1) }
    }

    /// As much of the beginning as fits, with `ending` where something is missing.
    static func cut(_ text: String, to width: Int, ending: String = "…") -> String {
        guard columns(of: text) > width else { return text }
        guard width >= columns(of: ending) else { return "" }
        let room = width - columns(of: ending)
        var used = 0
        var result = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            used += columns(of: scalar)
            if used > room { break }
            result.append(scalar)
        }
        return String(result) + ending
    }

    /// The same in ASCII, for terminals that would take the bytes of UTF-8 for something else.
    static func ascii(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\u{0}"..."\u{7F}": result.unicodeScalars.append(scalar)
            // As wide as it was: it stands where there was no more room.
            case "…": result += "."
            case "µ": result += "u"
            case "·": result += "-"
            case "≈": result += "~"
            case "≤": result += "<="
            case "×": result += "x"
            case "“", "”": result += "\""
            case "’": result += "'"
            case "–", "—": result += "-"
            default: result += "?"
            }
        }
        return result
    }

    private static func columns(of scalar: Unicode.Scalar) -> Int {
        if scalar.value < 0x300 { return 1 }
        switch scalar.properties.generalCategory {
        case .nonspacingMark, .enclosingMark, .format: return 0
        default: break
        }
        switch scalar.value {
        // Unicode Standard Annex 11, Wide and Fullwidth, without the gaps.
        case 0x1100...0x115F, 0x2E80...0x303E, 0x3041...0xA4CF, 0xA960...0xA97C, 0xAC00...0xD7A3, 0xF900...0xFAFF,
            0xFE10...0xFE19, 0xFE30...0xFE6B, 0xFF01...0xFF60, 0xFFE0...0xFFE6, 0x1F300...0x1F64F, 0x1F680...0x1F6FF,
            0x1F900...0x1FAFF, 0x20000...0x3FFFD:
            return 2
        default: return 1
        }
    }
}
