import Apus

/// The line of one URL:
///
///     STATUS BYTES TIME URL
///     ERR CODE MESSAGE URL
///
/// No text of a server or of the input can break it, or command a terminal; no user, password or query is in it.
enum ResultLine {
    static func text(_ result: FetchResult) -> String {
        let url = result.url.map { Format.harmless(redacted($0)) } ?? Format.harmless(result.place)
        if let failure = result.failure, result.status == nil || !isStatus(failure.code) {
            return "ERR \(Format.harmless(failure.code)) \(Format.harmless(failure.message)) \(url)"
        }
        let status = result.status.map(String.init) ?? (result.outcome == .skipped ? "skipped" : "-")
        let time = Format.right(Format.seconds(result.duration), 8)
        return "\(status) \(Format.right("\(result.bytes)", 9)) \(time) \(url)"
    }

    /// Appends the line and its end: what most lines are, without a text for each of their parts, which would cost more than the rest
    /// of a small URL's way.
    static func append(_ result: FetchResult, to line: inout [UInt8]) {
        if result.failure == nil, let status = result.status, let url = result.url {
            append(status, to: &line)
            line.append(UInt8(ascii: " "))
            append(result.bytes, width: 9, to: &line)
            line.append(UInt8(ascii: " "))
            let (seconds, attoseconds) = result.duration.components
            let milliseconds =
                Int(seconds) * 1_000 + Int((attoseconds + 500_000_000_000_000) / 1_000_000_000_000_000)
            // Three digits, the point and the unit stand behind the seconds.
            append(milliseconds / 1_000, width: 3, to: &line)
            line.append(UInt8(ascii: "."))
            append(milliseconds % 1_000, width: 3, padding: UInt8(ascii: "0"), to: &line)
            line.append(UInt8(ascii: "s"))
            line.append(UInt8(ascii: " "))
            line += Format.harmless(redacted(url)).utf8
        } else {
            line += text(result).utf8
        }
        line.append(UInt8(ascii: "\n"))
    }

    /// Digits without a text for them. None of these numbers is negative.
    private static func append(
        _ number: Int,
        width: Int = 1,
        padding: UInt8 = UInt8(ascii: " "),
        to line: inout [UInt8]
    ) {
        var divisor = 1
        var digits = 1
        while number / divisor >= 10 {
            divisor *= 10
            digits += 1
        }
        for _ in 0..<max(0, width - digits) { line.append(padding) }
        while divisor > 0 {
            line.append(UInt8(ascii: "0") + UInt8(number / divisor % 10))
            divisor /= 10
        }
    }

    /// Most URLs have nothing to leave out.
    private static func redacted(_ url: URI) -> String {
        url.hasUserinfo || url.query != nil || url.fragment != nil || url.host.isEmpty ? url.redacted : url.description
    }

    /// Failures that are only another word for the status.
    static func isStatus(_ code: String) -> Bool { code == "status" || code == "statusNotSuccess" }
}
