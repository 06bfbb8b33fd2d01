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
    ///
    /// - Parameter result: stays as it is; `inout`, as a closure that passes it on would copy it else.
    static func append(_ result: inout FetchResult, to line: inout [UInt8]) {
        if result.failure == nil, let status = result.status, let url = result.url {
            let milliseconds = (result.nanoseconds + 500_000) / 1_000_000
            let bytes = result.bytes
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
                put(bytes, width: 9)
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
    /// not shown. Eight bytes at a time, the last eight overlapping.
    static func isPlain(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
        let raw = UnsafeRawBufferPointer(bytes)
        // Shorter than any URL.
        guard raw.count >= 8 else { return false }
        var other: UInt64 = 0
        var index = 0
        while true {
            let word = raw.loadUnaligned(fromByteOffset: index, as: UInt64.self)
            func sets(_ byte: UInt64) -> UInt64 { (word ^ byte &* 0x0101_0101_0101_0101) &- 0x0101_0101_0101_0101 }
            // The top bit of a byte: it is no ASCII, it is below 0x21, or it is one of these. Above such a byte a bit may be set without
            // reason, and only whether there is any matters.
            other |= word | (word &- 0x2121_2121_2121_2121) | sets(0x7F) | sets(0x40) | sets(0x3F) | sets(0x23)
            if index == raw.count &- 8 { return other & 0x8080_8080_8080_8080 == 0 }
            index = min(index &+ 8, raw.count &- 8)
        }
    }

    /// Most URLs have nothing to leave out.
    private static func redacted(_ url: URI) -> String {
        url.hasUserinfo || url.query != nil || url.fragment != nil || url.host.isEmpty ? url.redacted : url.description
    }

    /// Failures that are only another word for the status.
    static func isStatus(_ code: String) -> Bool { code == "status" || code == "statusNotSuccess" }
}
