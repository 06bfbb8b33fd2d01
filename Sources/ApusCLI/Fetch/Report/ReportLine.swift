import Apus

/// A result as one line of JSON.
///
/// By hand: an encoder of Foundation's takes a hundred times as long, which with a hundred thousand lines a second is the run's time, and
/// the object is flat.
enum ReportLine {
    static func append(_ result: FetchResult, to line: inout [UInt8]) {
        line.append(UInt8(ascii: "{"))
        number("n", result.number, &line, isFirst: true)
        string("place", result.place.description, &line)
        string("outcome", result.outcome.rawValue, &line)
        if let url = result.url { string("url", url.description, &line) }
        if let url = result.finalURL, url != result.url { string("final_url", url.withoutUserinfo.description, &line) }
        if let status = result.status { number("status", status, &line) }
        number("bytes", result.bytes, &line)
        if let type = result.contentType { string("content_type", type, &line) }
        number("attempts", result.attempts, &line)
        seconds("seconds", result.duration, &line)
        if let timings = result.timings { append(timings, &line) }
        if let file = result.file { string("file", file, &line) }
        if let digest = result.sha256 { string("sha256", digest, &line) }
        if let failure = result.failure {
            string("error", failure.code, &line)
            string("message", failure.message, &line)
        }
        line.append(UInt8(ascii: "}"))
        line.append(UInt8(ascii: "\n"))
    }

    /// Of the last attempt, each in seconds.
    private static func append(_ timings: ResponseTimings, _ line: inout [UInt8]) {
        key("timings", &line)
        line.append(UInt8(ascii: "{"))
        seconds("first_byte", timings.firstByte, &line, isFirst: true)
        if let time = timings.acquire { seconds("acquire", time, &line) }
        if let time = timings.lookup { seconds("lookup", time, &line) }
        if let time = timings.connect { seconds("connect", time, &line) }
        if let time = timings.handshake { seconds("handshake", time, &line) }
        if let time = timings.total { seconds("total", time, &line) }
        line.append(UInt8(ascii: "}"))
    }

    private static func key(_ name: StaticString, _ line: inout [UInt8], isFirst: Bool = false) {
        if !isFirst { line.append(UInt8(ascii: ",")) }
        line.append(UInt8(ascii: "\""))
        name.withUTF8Buffer { line += $0 }
        line.append(UInt8(ascii: "\""))
        line.append(UInt8(ascii: ":"))
    }

    private static func number(_ name: StaticString, _ value: Int, _ line: inout [UInt8], isFirst: Bool = false) {
        key(name, &line, isFirst: isFirst)
        line += String(value).utf8
    }

    /// To the microsecond.
    private static func seconds(
        _ name: StaticString,
        _ value: Duration,
        _ line: inout [UInt8],
        isFirst: Bool = false
    ) {
        key(name, &line, isFirst: isFirst)
        let (whole, attoseconds) = value.components
        line += String(max(0, whole)).utf8
        let digits = String(max(0, attoseconds) / 1_000_000_000_000)
        line.append(UInt8(ascii: "."))
        line += repeatElement(UInt8(ascii: "0"), count: 6 - digits.utf8.count)
        line += digits.utf8
    }

    private static func string(_ name: StaticString, _ value: String, _ line: inout [UInt8]) {
        key(name, &line)
        JSONText.append(value, to: &line)
    }
}

/// A text in JSON (RFC 8259 §7).
enum JSONText {
    /// Appends it in its quotes. What could command a terminal, or reorder a line on it, is escaped, though JSON would allow it: people
    /// look at such files with `cat`.
    static func append(_ text: String, to line: inout [UInt8]) {
        line.append(UInt8(ascii: "\""))
        if text.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\") }) {
            line += text.utf8
        } else {
            for scalar in text.unicodeScalars { append(scalar, to: &line) }
        }
        line.append(UInt8(ascii: "\""))
    }

    private static func append(_ scalar: Unicode.Scalar, to line: inout [UInt8]) {
        switch scalar {
        case "\"": line += #"\""#.utf8
        case "\\": line += #"\\"#.utf8
        case "\n": line += #"\n"#.utf8
        case "\r": line += #"\r"#.utf8
        case "\t": line += #"\t"#.utf8
        default:
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .unassigned:
                for unit in String(scalar).utf16 {
                    let digits = String(unit, radix: 16)
                    line += "\\u\(String(repeating: "0", count: 4 - digits.count))\(digits)".utf8
                }
            default: line += String(scalar).utf8
            }
        }
    }
}
