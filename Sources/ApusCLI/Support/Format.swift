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

    /// A time that is the end of a bin, without the zeros of others: `1 ms`, `12.5 ms`, `2 s`.
    static func roundTime(_ duration: Duration) -> String {
        let seconds = duration.inSeconds
        let (value, unit) =
            seconds < 0.001 ? (seconds * 1e6, "µs") : seconds < 1 ? (seconds * 1e3, "ms") : (seconds, "s")
        var text = decimal(value, 2)
        while text.hasSuffix("0") { text.removeLast() }
        if text.hasSuffix(".") { text.removeLast() }
        return "\(text) \(unit)"
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

    /// `1,234,567`.
    static func number(_ value: Int) -> String {
        let digits = String(value.magnitude)
        var result = ""
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index) % 3 == 0 { result.append(",") }
            result.append(digit)
        }
        return value < 0 ? "-\(result)" : result
    }

    /// How many each second: `0.25`, `12.3`, `1,234`.
    static func rate(_ value: Double) -> String {
        guard value.isFinite else { return "0" }
        if value < 1 { return value > 0 ? decimal(value, 2) : "0" }
        return value < 99.95 ? decimal(value, 1) : number(Int(min(value, 1e15).rounded()))
    }

    /// `0:07`, `12:34`, `1:02:03`, `3 d 04:05:06`.
    static func clock(_ duration: Duration) -> String {
        let all = Int(min(max(0, duration.inSeconds.rounded()), 1e12))
        let (days, hours, minutes, seconds) = (all / 86_400, all / 3_600 % 24, all / 60 % 60, all % 60)
        func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
        if days > 0 { return "\(days) d \(two(hours)):\(two(minutes)):\(two(seconds))" }
        if hours > 0 { return "\(hours):\(two(minutes)):\(two(seconds))" }
        return "\(minutes):\(two(seconds))"
    }

    /// `14 %`. Only all is a hundred.
    static func percent(_ fraction: Double) -> String {
        let whole = Int((min(max(fraction, 0), 1) * 100).rounded(.down))
        return "\(whole) %"
    }

    /// One line, without what could command a terminal or turn text around: texts may come from a server or from the input. Such
    /// characters are shown as `\u{1B}`.
    static func harmless(_ text: String) -> String {
        if isHarmless(text.utf8) { return text }
        var result = String.UnicodeScalarView()
        var isSpace = false
        var marks = 0
        for scalar in text.unicodeScalars {
            let isBreak = scalar == "\n" || scalar == "\r" || scalar == "\t"
            if isBreak || scalar == " " {
                if !isSpace { result.append(" ") }
                isSpace = true
                continue
            }
            isSpace = false
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .unassigned, .privateUse:
                result += escape(scalar)
            case .nonspacingMark, .enclosingMark:
                // Some languages need a few on a letter. Towers of them reach into the lines above and below.
                marks += 1
                result += marks > 4 ? escape(scalar) : String.UnicodeScalarView([scalar])
                continue
            default: result.append(scalar)
            }
            marks = 0
        }
        return String(result)
    }

    /// Most are: visible ASCII, and single spaces.
    private static func isHarmless(_ bytes: String.UTF8View) -> Bool {
        // Over the buffer: the view's own iterator looks at each step where the text is stored.
        bytes.withContiguousStorageIfAvailable { buffer in
            var last: UInt8 = 0
            for byte in buffer {
                guard (0x20..<0x7F).contains(byte), byte != 0x20 || last != 0x20 else { return false }
                last = byte
            }
            return true
        } ?? false
    }

    /// `\u{1B}`.
    static func escape(_ scalar: Unicode.Scalar) -> String.UnicodeScalarView {
        "\\u{\(String(scalar.value, radix: 16, uppercase: true))}".unicodeScalars
    }
}

extension Duration {
    var inSeconds: Double {
        let (seconds, attoseconds) = components
        return Double(seconds) + Double(attoseconds) / 1e18
    }
}
