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
            line += String(status).utf8
            line.append(UInt8(ascii: " "))
            append(String(result.bytes), width: 9, to: &line)
            line.append(UInt8(ascii: " "))
            let (seconds, attoseconds) = result.duration.components
            let milliseconds = seconds * 1_000 + (attoseconds + 500_000_000_000_000) / 1_000_000_000_000_000
            let fraction = String(1_000 + milliseconds % 1_000).dropFirst()
            append("\(milliseconds / 1_000).\(fraction)s", width: 8, to: &line)
            line.append(UInt8(ascii: " "))
            line += Format.harmless(redacted(url)).utf8
        } else {
            line += text(result).utf8
        }
        line.append(UInt8(ascii: "\n"))
    }

    private static func append(_ text: String, width: Int, to line: inout [UInt8]) {
        line += repeatElement(UInt8(ascii: " "), count: max(0, width - text.utf8.count))
        line += text.utf8
    }

    /// Most URLs have nothing to leave out.
    private static func redacted(_ url: URI) -> String {
        url.hasUserinfo || url.query != nil || url.fragment != nil || url.host.isEmpty ? url.redacted : url.description
    }

    /// Failures that are only another word for the status.
    static func isStatus(_ code: String) -> Bool { code == "status" || code == "statusNotSuccess" }
}
