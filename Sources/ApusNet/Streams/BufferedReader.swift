/// Reads lines, messages and exact lengths from a stream: asyncio's `StreamReader`.
///
/// ```swift
/// let reader = BufferedReader(stream)
/// let greeting = try await reader.readLine()
/// let length = try await reader.readExactly(4)
/// for try await line in reader.lines { print(line) }
/// ```
///
/// What it reads ahead stays with it: go on reading through the same reader. One task reads at a time; the compiler sees to it that a
/// reader is not shared by two, and within one actor a second read is an error, ``NetError`` `.busy`.
public final class BufferedReader {
    /// Bytes that one look at the stream may bring, and the usual bound of a line or message: asyncio's 64 KiB.
    public static let defaultLimit = 65_536
    /// The room that is offered to the stream: little at first, since ten thousand connections may sit there waiting for a line, and twice as
    /// much whenever it was filled.
    private static let leastRoom = 4_096
    private static let mostRoom = 65_536

    /// The stream that is read.
    public let stream: any ByteStream
    /// The most bytes that a line or message may have, its end included, unless a read says otherwise.
    public let limit: Int

    private var storage: [UInt8]
    private var head = 0
    private var tail = 0
    private var room = BufferedReader.leastRoom
    private var isReading = false

    /// - Parameters:
    ///   - stream: nobody else should read it.
    ///   - limit: bytes, at least 1.
    public init(_ stream: any ByteStream, limit: Int = BufferedReader.defaultLimit) {
        self.stream = stream
        self.limit = max(1, limit)
        storage = []
    }

    // MARK: What has come

    /// Bytes that were read from the stream and not yet from here.
    public var bufferedCount: Int { tail - head }

    /// Takes what was read ahead, without waiting: for whoever goes on with the stream itself, as
    /// ``TCPStream/startTLS(host:configuration:readAhead:timeout:)`` does. Empty while a task reads.
    public func takeBuffered() -> [UInt8] { isReading ? [] : take(bufferedCount) }

    /// Reads what has come, at least one byte.
    ///
    /// - Parameters:
    ///   - count: the most to return, in bytes; at least 1.
    ///   - timeout: how long to wait; nil for ever.
    /// - Returns: 1...`count` bytes; none at the end of the stream.
    /// - Throws: ``NetError``, `CancellationError`.
    ///
    /// Cancel safety: no bytes are lost; the next read gets them.
    public func read(upTo count: Int = BufferedReader.defaultLimit, timeout: Duration? = nil) async throws -> [UInt8] {
        try begin()
        defer { isReading = false }
        if bufferedCount == 0 { _ = try await fill(timeout) }
        return take(min(bufferedCount, max(1, count)))
    }

    /// The next bytes, without taking them.
    ///
    /// - Parameters:
    ///   - count: how many; 1...``limit``.
    ///   - timeout: bounds each wait; nil for ever.
    /// - Returns: `count` bytes; fewer if the stream ends before.
    /// - Throws: ``NetError`` (`.invalidArgument` for a count out of range), `CancellationError`.
    ///
    /// Cancel safety: no bytes are lost; the next read gets them.
    public func peek(_ count: Int, timeout: Duration? = nil) async throws -> [UInt8] {
        guard (1...limit).contains(count) else {
            throw NetError(
                .invalidArgument,
                "A reader with a limit of \(limit) bytes cannot look \(count) bytes ahead."
            )
        }
        try begin()
        defer { isReading = false }
        while bufferedCount < count { if try await !fill(timeout) { break } }
        return [UInt8](storage[head..<head + min(count, bufferedCount)])
    }

    // MARK: Exact lengths

    /// Reads `count` bytes, neither more nor fewer.
    ///
    /// - Parameters:
    ///   - count: 0 or more; it may be more than ``limit``, and is the memory that this takes.
    ///   - timeout: bounds each wait; nil for ever.
    /// - Throws: ``ReadError`` `.incomplete` with what there was, if the stream ends before; ``NetError``; `CancellationError`.
    ///
    /// Cancel safety: no bytes are lost; the next read gets them.
    public func readExactly(_ count: Int, timeout: Duration? = nil) async throws -> [UInt8] {
        guard count >= 0 else { throw NetError(.invalidArgument, "\(count) bytes cannot be read.") }
        try begin()
        defer { isReading = false }
        while bufferedCount < count {
            // As much room as is missing, but not before something has come: a peer's word for a length is not worth memory yet.
            if try await !fill(timeout, atLeast: min(count - bufferedCount, max(Self.mostRoom, bufferedCount))) {
                throw ReadError(.incomplete, "the stream ended after \(bufferedCount) of \(count) bytes", takeAll())
            }
        }
        return take(count)
    }

    /// Reads to the end of the stream.
    ///
    /// - Parameters:
    ///   - limit: the most bytes that it may have.
    ///   - timeout: bounds each wait; nil for ever.
    /// - Throws: ``ReadError`` `.limitExceeded` with what there was, which also stays to be read; ``NetError``; `CancellationError`.
    ///
    /// Cancel safety: no bytes are lost; the next read gets them.
    public func readToEnd(limit: Int, timeout: Duration? = nil) async throws -> [UInt8] {
        try begin()
        defer { isReading = false }
        while bufferedCount <= limit {
            if try await !fill(timeout, atLeast: bufferedCount) { return takeAll() }
        }
        throw overrun(limit, "the stream")
    }

    // MARK: Separators

    /// Reads up to the first of `separators`, and it.
    ///
    /// - Parameters:
    ///   - separators: each at least one byte. Where several would match, the one whose end comes first does, as in Python 3.13.
    ///   - limit: the most bytes, the separator included; nil for ``limit``.
    ///   - timeout: bounds each wait; nil for ever.
    /// - Returns: the bytes with their separator.
    /// - Throws: ``ReadError`` `.incomplete` with what there was, if the stream ends before; `.limitExceeded` with what there was, which also
    ///   stays to be read; ``NetError`` (`.invalidArgument` for an empty separator); `CancellationError`.
    ///
    /// Cancel safety: no bytes are lost; the next read gets them.
    public func readUntil(
        separators: [[UInt8]],
        limit: Int? = nil,
        timeout: Duration? = nil
    ) async throws -> [UInt8] {
        let search = try SeparatorSearch(separators)
        let bytes = try await readUntil(search, limit: limit ?? self.limit, timeout: timeout)
        if let bytes { return bytes }
        throw ReadError(
            .incomplete,
            "the stream ended after \(bufferedCount) bytes without the separator that was awaited",
            takeAll()
        )
    }

    /// Reads up to `separator`, and it: see ``readUntil(separators:limit:timeout:)``.
    ///
    /// Cancel safety: no bytes are lost; the next read gets them.
    public func readUntil(
        _ separator: String,
        limit: Int? = nil,
        timeout: Duration? = nil
    ) async throws -> [UInt8] {
        try await readUntil(separators: [Array(separator.utf8)], limit: limit, timeout: timeout)
    }

    /// Reads a line.
    ///
    /// - Parameters:
    ///   - limit: the most bytes, the line's end included; nil for ``limit``.
    ///   - timeout: bounds each wait; nil for ever.
    /// - Returns: the line without its end, which is a line feed, with or without a carriage return before it. The stream's last line needs none. Bytes
    ///   that are no UTF-8 become U+FFFD. Nil at the end of the stream.
    /// - Throws: ``ReadError`` `.limitExceeded` with what there was, which also stays to be read; ``NetError``; `CancellationError`.
    ///
    /// Cancel safety: no bytes are lost; the next read gets them.
    public func readLine(limit: Int? = nil, timeout: Duration? = nil) async throws -> String? {
        guard var bytes = try await readUntil(SeparatorSearch.lineFeed, limit: limit ?? self.limit, timeout: timeout)
        else { return bufferedCount == 0 ? nil : String(decoding: takeAll(), as: UTF8.self) }
        bytes.removeLast()
        if bytes.last == UInt8(ascii: "\r") { bytes.removeLast() }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The lines that are still to come: see ``readLine(limit:timeout:)``.
    public var lines: Lines { Lines(reader: self) }

    /// Nil at the end of the stream; what there was before it is still buffered.
    private func readUntil(_ search: SeparatorSearch, limit: Int, timeout: Duration?) async throws -> [UInt8]? {
        try begin()
        defer { isReading = false }
        // Bytes from `head` that are known not to end a separator: nothing is looked at twice.
        var searched = 0
        while true {
            if let end = search.firstEnd(in: storage[head..<tail], from: searched) {
                if end > limit { throw overrun(limit, "a line or message") }
                return take(end)
            }
            searched = bufferedCount
            if searched >= limit { throw overrun(limit, "a line or message") }
            if try await !fill(timeout) { return nil }
        }
    }

    // MARK: The buffer

    private func begin() throws(NetError) {
        guard !isReading else {
            throw NetError(.busy, "Another task is reading through this BufferedReader: one at a time.")
        }
        isReading = true
    }

    /// Reads once from the stream. False at its end.
    private func fill(_ timeout: Duration?, atLeast wanted: Int = 0) async throws -> Bool {
        if head == tail {
            head = 0
            tail = 0
        }
        let free = storage.count - tail
        // Half of it will do: a stream that gives a byte at a time would else have new room made for each.
        if free < wanted || free < self.room / 2 {
            // Moves what there is to the front, and makes room behind it: at least as much again, so that growing is linear.
            let room = max(wanted, self.room)
            let kept = storage[head..<tail]
            // Twice as much each time, whatever limit the read has: growing by steps would copy a long line again and again.
            let size = kept.count + max(room, kept.count)
            var larger = [UInt8]()
            larger.reserveCapacity(size)
            larger.append(contentsOf: kept)
            larger.append(contentsOf: repeatElement(0, count: size - kept.count))
            storage = larger
            tail -= head
            head = 0
        }
        // Taken out for the time of the wait, during which this object must stay free for a look.
        var buffer = storage
        storage = []
        defer { storage = buffer }
        let offered = buffer.count - tail
        let count = try await stream.read(into: &buffer, startingAt: tail, timeout: timeout)
        tail += count
        if count == offered { self.room = min(2 * room, Self.mostRoom) }
        return count > 0
    }

    private func take(_ count: Int) -> [UInt8] {
        let bytes = [UInt8](storage[head..<head + count])
        head += count
        // What one large message needed is not kept for ever.
        if head == tail, storage.count > 4 * Self.mostRoom { (storage, head, tail) = ([], 0, 0) }
        return bytes
    }

    private func takeAll() -> [UInt8] { take(bufferedCount) }

    private func overrun(_ limit: Int, _ what: String) -> ReadError {
        ReadError(.limitExceeded, "\(what) is longer than the limit of \(limit) bytes", [UInt8](storage[head..<tail]))
    }
}

extension BufferedReader {
    /// The lines of a stream, one after the other: `for try await line in reader.lines`.
    public struct Lines: AsyncSequence {
        let reader: BufferedReader

        public func makeAsyncIterator() -> Iterator { Iterator(reader: reader) }

        /// Reads a line at a time.
        public struct Iterator: AsyncIteratorProtocol {
            let reader: BufferedReader

            /// The next line, or nil at the end: see ``BufferedReader/readLine(limit:timeout:)``.
            public mutating func next() async throws -> String? { try await reader.readLine() }

            /// The next line, or nil at the end, read with the caller's isolation.
            public mutating func next(isolation actor: isolated (any Actor)?) async throws(any Error) -> String? {
                try await reader.readLine()
            }
        }
    }
}
