import Apus

/// The line of one URL:
///
///     STATUS BYTES TIME URL
///     ERR CODE MESSAGE URL
///
/// No text of a server or of the input can break it, or command a terminal; no user, password or query is in it.
enum ResultLine {
    static func text(_ result: FetchResult) -> String {
        let url = result.url.map { Format.harmless(redacted($0)) } ?? Format.harmless(result.place.description)
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
            let milliseconds = (result.duration.inNanoseconds + 500_000) / 1_000_000
            withUnsafeTemporaryAllocation(byteCount: columns, alignment: 1) { buffer in
                // From the end: status, bytes, and the seconds with three digits behind the point.
                var start = columns
                func put(_ byte: UInt8) {
                    start -= 1
                    buffer[start] = byte
                }
                func put(_ number: Int, width: Int, padding: UInt8 = UInt8(ascii: " ")) {
                    let end = start - width
                    var rest = UInt(max(0, number))
                    repeat {
                        put(UInt8(ascii: "0") + UInt8(rest % 10))
                        rest /= 10
                    } while rest > 0
                    while start > end { put(padding) }
                }
                put(UInt8(ascii: " "))
                put(UInt8(ascii: "s"))
                put(Int(milliseconds % 1_000), width: 3, padding: UInt8(ascii: "0"))
                put(UInt8(ascii: "."))
                put(Int(milliseconds / 1_000), width: 3)
                put(UInt8(ascii: " "))
                put(result.bytes, width: 9)
                put(UInt8(ascii: " "))
                put(status, width: 1)
                line.append(contentsOf: UnsafeRawBufferPointer(rebasing: buffer[start...]))
            }
            append(url, to: &line)
        } else {
            line += text(result).utf8
        }
        line.append(UInt8(ascii: "\n"))
    }

    /// Room for three numbers of any size and what stands between them.
    private static let columns = 80

    /// Most URLs can be shown as they are.
    private static func append(_ url: URI, to line: inout [UInt8]) {
        let isDone = url.description.utf8.withContiguousStorageIfAvailable { bytes in
            guard isPlain(bytes) else { return false }
            line.append(contentsOf: bytes)
            return true
        }
        if isDone != true { line += Format.harmless(redacted(url)).utf8 }
    }

    /// Whether nothing has to be left out, and nothing is harmful: only visible ASCII without what begins or ends the parts that are
    /// not shown. All of them, as that is done for many bytes at a time.
    private static func isPlain(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
        var isOther: UInt8 = 0
        for byte in bytes {
            isOther |= byte &- 0x21 > 0x7E - 0x21 ? 1 : 0
            isOther |= byte == UInt8(ascii: "@") ? 1 : 0
            isOther |= byte == UInt8(ascii: "?") ? 1 : 0
            isOther |= byte == UInt8(ascii: "#") ? 1 : 0
        }
        return isOther == 0
    }

    /// Most URLs have nothing to leave out.
    private static func redacted(_ url: URI) -> String {
        url.hasUserinfo || url.query != nil || url.fragment != nil || url.host.isEmpty ? url.redacted : url.description
    }

    /// Failures that are only another word for the status.
    static func isStatus(_ code: String) -> Bool { code == "status" || code == "statusNotSuccess" }
}
