/// Makes events of an event stream's bytes as they arrive (WHATWG HTML §9.2.5 and §9.2.6).
///
/// `receive(_:)` stores bytes; `next()` gives the events that are complete, nil when more is needed. An event that is not
/// complete when the stream ends is dropped, as the standard demands.
///
/// ```
/// var parser = ServerSentEventParser()
/// parser.receive(bytes)
/// while let event = try parser.next() { … }
/// ```
///
/// Bytes that are not UTF-8 become U+FFFD, and fields that nobody knows are ignored: nothing is malformed.
public struct ServerSentEventParser: Sendable {
    /// What `init` takes for the size of an event, in bytes: 4 MiB.
    public static let defaultEventLimit = 4 * 1024 * 1024
    /// A longer reconnection time than a day is taken for a day.
    public static let maximumReconnectionTime = Duration.seconds(86_400)

    /// The bytes of one event: of its lines that are kept, and of the line that is incomplete.
    public let eventLimit: Int
    /// The last event ID, for `Last-Event-ID` when the stream is opened again. Empty: none.
    public private(set) var lastEventID: String
    /// How long to wait before the stream is opened again, if the server has said so.
    public private(set) var reconnectionTime: Duration?

    private var buffer: [UInt8] = []
    private var start = 0
    /// How far behind `start` a line end has been looked for.
    private var scanned = 0
    private var isAtStart = true
    /// A line ended in CR: an LF that comes next belongs to it.
    private var skipsLF = false
    /// A comment too long to be kept: the rest of the line is dropped.
    private var isInComment = false
    private var failure: ServerSentEventError?

    // §9.2.6: the buffers of the event under way.
    private var data: [UInt8] = []
    private var hasData = false
    private var type: [UInt8] = []
    private var idBuffer: String
    private var retry: Duration?

    /// A parser at the beginning of a stream.
    ///
    /// - Parameters:
    ///   - lastEventID: that of the stream before, when it was opened again.
    ///   - eventLimit: the bytes of one event.
    public init(lastEventID: String = "", eventLimit: Int = defaultEventLimit) {
        self.lastEventID = lastEventID
        self.eventLimit = eventLimit
        idBuffer = lastEventID
    }

    /// Stores bytes of the stream.
    public mutating func receive(_ bytes: [UInt8]) { bytes.withUnsafeBytes { receive($0) } }

    /// Stores bytes of the stream.
    public mutating func receive(_ bytes: ArraySlice<UInt8>) { bytes.withUnsafeBytes { receive($0) } }

    /// Stores bytes of the stream.
    package mutating func receive(_ bytes: UnsafeRawBufferPointer) {
        guard failure == nil else { return }
        // Moving what is left costs at most as much as what has been taken since.
        if start == buffer.count {
            buffer.removeAll(keepingCapacity: true)
            start = 0
        } else if start >= buffer.count - start {
            buffer.removeFirst(start)
            start = 0
        }
        buffer.append(contentsOf: bytes)
    }

    /// The next complete event; nil if more bytes are needed.
    ///
    /// - Throws: `ServerSentEventError.eventTooLarge`; the same one at every call after the first.
    public mutating func next() throws -> ServerSentEvent? {
        if let failure { throw failure }
        guard takeByteOrderMark() else { return nil }
        while let line = takeLine() {
            // The same sum as for a line that is incomplete, so that it does not matter how the bytes came.
            try checkLimit(with: line.count)
            if line.isEmpty {
                if let event = dispatch() { return event }
            } else {
                interpret(line)
            }
        }
        try checkLimit(with: buffer.count - start)
        return nil
    }

    private mutating func checkLimit(with unfinished: Int) throws {
        guard data.count + type.count + unfinished > eventLimit else { return }
        let error = ServerSentEventError(
            .eventTooLarge,
            "an event has more than \(eventLimit) bytes (eventLimit of ServerSentEventParser)"
        )
        failure = error
        buffer = []
        data = []
        start = 0
        throw error
    }

    // §9.2.5: one byte order mark at the very beginning is not part of the stream.
    private mutating func takeByteOrderMark() -> Bool {
        guard isAtStart else { return true }
        let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
        let found = buffer.prefix(3)
        guard mark.starts(with: found) else {
            isAtStart = false
            return true
        }
        guard found.count == 3 else { return false }
        start = 3
        isAtStart = false
        return true
    }

    // §9.2.5: end-of-line = ( cr lf / cr / lf ).
    private mutating func takeLine() -> ArraySlice<UInt8>? {
        if skipsLF, start < buffer.count {
            if buffer[start] == 0x0A { start += 1 }
            skipsLF = false
        }
        let from = start + scanned
        let end = buffer.withUnsafeBytes { bytes -> Int in
            var index = from
            while index < bytes.count, bytes[index] != 0x0A, bytes[index] != 0x0D { index += 1 }
            return index
        }
        if isInComment || start < end && buffer[start] == 0x3A {
            // Comments keep connections open; nobody reads them, so they are not kept either.
            isInComment = end == buffer.count
            scanned = 0
            start = end
            guard end < buffer.count else { return nil }
            takeLineEnd(end)
            // ":" alone: a line that is not empty and says nothing.
            return [0x3A]
        }
        guard end < buffer.count else {
            scanned = end - start
            return nil
        }
        let line = buffer[start..<end]
        takeLineEnd(end)
        return line
    }

    private mutating func takeLineEnd(_ end: Int) {
        skipsLF = buffer[end] == 0x0D
        start = end + 1
        scanned = 0
    }

    // §9.2.6: field name, ":", an optional space, value; without a colon the value is empty.
    private mutating func interpret(_ line: ArraySlice<UInt8>) {
        let colon = line.firstIndex(of: 0x3A) ?? line.endIndex
        guard colon > line.startIndex else { return }
        var value = line[min(colon + 1, line.endIndex)...]
        if value.first == 0x20 { value = value.dropFirst() }
        let name = line[..<colon]
        if name.elementsEqual("data".utf8) {
            if hasData { data.append(0x0A) }
            hasData = true
            data += value
        } else if name.elementsEqual("event".utf8) {
            type = Array(value)
        } else if name.elementsEqual("id".utf8) {
            // An ID with NUL is ignored.
            if !value.contains(0) { idBuffer = String(decoding: value, as: UTF8.self) }
        } else if name.elementsEqual("retry".utf8) {
            // Digits only, else ignored.
            guard !value.isEmpty, value.allSatisfy({ $0 &- 0x30 < 10 }) else { return }
            let limit = UInt64(Self.maximumReconnectionTime.components.seconds) * 1_000
            let milliseconds = value.reduce(UInt64(0)) { min($0 * 10 + UInt64($1 - 0x30), limit) }
            retry = .milliseconds(milliseconds)
            reconnectionTime = retry
        }
    }

    // §9.2.6: dispatch, when an empty line comes. An event without data is none, but its ID counts.
    private mutating func dispatch() -> ServerSentEvent? {
        lastEventID = idBuffer
        defer { type = [] }
        guard hasData else { return nil }
        let event = ServerSentEvent(
            event: type.isEmpty ? "message" : String(decoding: type, as: UTF8.self),
            data: String(decoding: data, as: UTF8.self),
            id: lastEventID,
            retry: retry
        )
        data.removeAll(keepingCapacity: true)
        hasData = false
        retry = nil
        return event
    }
}
