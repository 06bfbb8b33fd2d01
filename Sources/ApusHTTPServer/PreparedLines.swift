import ApusRuntime
import HTTPTypes

/// Field lines that many responses have in common, made once per second. One per server.
struct PreparedLines {
    private var date = HTTPDate()
    /// The moment of the loop's clock until which the lines hold, in nanoseconds.
    private var expiry = Int64.min
    private var dated: [UInt8] = []
    private var datedText: [UInt8] = []

    /// The lines of a response that it does not state itself: its Date (RFC 9110 §6.6.1), and the Content-Type of a text.
    ///
    /// - Parameter now: the loop's clock, in nanoseconds. Asking the system for the time at each response would cost more than the copy.
    mutating func lines(for response: borrowing ServerResponse, at now: Int64) -> [UInt8] {
        if now >= expiry { renew(now) }
        if response.isPlainText { return datedText }
        return response.fields.isEmpty || response.fields[.date] == nil ? dated : []
    }

    @inline(never)
    private mutating func renew(_ now: Int64) {
        let (text, remaining) = date.now()
        expiry = now.addingClamped(remaining)
        dated = Array("Date: \(text)\r\n".utf8)
        datedText = Array("Content-Type: \(ServerResponse.plainTextType)\r\n".utf8) + dated
    }
}
