/// Figures and columns for people.
enum Format {
    /// `0.012 s` without the space: one word in a line of words.
    static func seconds(_ duration: Duration) -> String { "\(decimal(duration.inSeconds, 3))s" }

    /// `305 ms`, or `1.25 s` from ten seconds' hundredth on.
    static func time(_ duration: Duration) -> String {
        let seconds = duration.inSeconds
        if seconds < 0.000_999_5 { return "\(Int((seconds * 1e6).rounded())) µs" }
        if seconds < 0.010 { return "\(decimal(seconds * 1e3, 1)) ms" }
        if seconds < 1 { return "\(Int((seconds * 1e3).rounded())) ms" }
        return "\(decimal(seconds, 2)) s"
    }

    /// `13 bytes`, `1.4 kB`, `20.0 MB`.
    static func bytes(_ count: Int) -> String {
        switch count {
        case 1: "1 byte"
        case ..<1_000: "\(count) bytes"
        case ..<1_000_000: "\(decimal(Double(count) / 1e3, 1)) kB"
        case ..<1_000_000_000: "\(decimal(Double(count) / 1e6, 1)) MB"
        default: "\(decimal(Double(count) / 1e9, 2)) GB"
        }
    }

    /// `1 URL`, `2 URLs`.
    static func count(_ count: Int, _ noun: String) -> String { "\(count) \(noun)\(count == 1 ? "" : "s")" }

    /// A number with so many digits behind the point.
    static func decimal(_ value: Double, _ digits: Int) -> String {
        var scale = 1.0
        for _ in 0..<digits { scale *= 10 }
        let scaled = Int((abs(value) * scale).rounded())
        let sign = value < 0 && scaled > 0 ? "-" : ""
        guard digits > 0 else { return "\(sign)\(scaled)" }
        let fraction = String(scaled % Int(scale))
        return "\(sign)\(scaled / Int(scale)).\(String(repeating: "0", count: digits - fraction.count))\(fraction)"
    }

    /// At the right end of a column.
    static func right(_ text: String, _ width: Int) -> String {
        String(repeating: " ", count: max(0, width - text.count)) + text
    }

    /// At the left end of a column.
    static func left(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }

    /// One line, without what could command a terminal: texts may come from a server.
    static func harmless(_ text: String) -> String {
        var result = String.UnicodeScalarView()
        var isSpace = false
        for scalar in text.unicodeScalars {
            let isBreak = scalar == "\n" || scalar == "\r" || scalar == "\t"
            if isBreak || scalar == " " {
                if !isSpace { result.append(" ") }
                isSpace = true
                continue
            }
            isSpace = false
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate: result.append("\u{FFFD}")
            default: result.append(scalar)
            }
        }
        return String(result)
    }
}

extension Duration {
    var inSeconds: Double {
        let (seconds, attoseconds) = components
        return Double(seconds) + Double(attoseconds) / 1e18
    }
}
