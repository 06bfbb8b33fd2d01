import Apus

/// The line of one URL:
///
///     STATUS BYTES TIME URL
///     ERR CODE MESSAGE URL
///
/// No text of a server or of the input can break it, or command a terminal; no user, password or query is in it.
enum ResultLine {
    static func text(_ result: FetchResult) -> String {
        let url = result.url.map { Format.harmless($0.redacted) } ?? Format.harmless(result.place)
        if let failure = result.failure, result.status == nil || !isStatus(failure.code) {
            return "ERR \(Format.harmless(failure.code)) \(Format.harmless(failure.message)) \(url)"
        }
        let status = result.status.map(String.init) ?? (result.outcome == .skipped ? "skipped" : "-")
        let time = Format.right(Format.seconds(result.duration), 8)
        return "\(status) \(Format.right("\(result.bytes)", 9)) \(time) \(url)"
    }

    /// Failures that are only another word for the status.
    static func isStatus(_ code: String) -> Bool { code == "status" || code == "statusNotSuccess" }
}
