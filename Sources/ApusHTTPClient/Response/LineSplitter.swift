/// Cuts bytes into lines as they come. A line ends with LF, CR or CRLF, wherever the bytes are cut; the last one needs no end.
struct LineSplitter {
    /// The most bytes of a line.
    let limit: Int
    private var buffer: [UInt8] = []
    private var start = 0
    /// How far behind `start` an end has been looked for.
    private var scanned = 0
    /// The line before ended with CR: an LF that follows belongs to it.
    private var skipsLineFeed = false

    init(limit: Int) { self.limit = limit }

    mutating func feed(_ bytes: [UInt8]) {
        if start == buffer.count {
            buffer = bytes
        } else {
            if start > 0 { buffer.removeFirst(start) }
            buffer.append(contentsOf: bytes)
        }
        start = 0
    }

    /// The next complete line without its end, or nil.
    ///
    /// - Throws: `TooLong` for a line over the limit, as soon as that is certain.
    mutating func next() throws(TooLong) -> [UInt8]? {
        if skipsLineFeed, start < buffer.count {
            if buffer[start] == 0x0A { start += 1 }
            skipsLineFeed = false
        }
        let from = start + scanned
        let end = buffer.withUnsafeBytes { bytes in
            var index = from
            while index < bytes.count, bytes[index] != 0x0A, bytes[index] != 0x0D { index += 1 }
            return index
        }
        guard end - start <= limit else { throw TooLong() }
        guard end < buffer.count else {
            scanned = end - start
            return nil
        }
        let line = Array(buffer[start..<end])
        skipsLineFeed = buffer[end] == 0x0D
        start = end + 1
        scanned = 0
        return line
    }

    /// What is left at the end, or nil.
    mutating func finish() -> [UInt8]? {
        guard start < buffer.count else { return nil }
        defer {
            buffer = []
            start = 0
        }
        return Array(buffer[start...])
    }

    struct TooLong: Error {}
}
