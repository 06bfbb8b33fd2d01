import Glibc

/// Cuts what is read into lines.
struct LineSplitter {
    enum Line: Equatable {
        /// Without white space around it.
        case text(String)
        /// An empty line, or one that begins with `#`.
        case nothing
        case notText
        case tooLong
    }

    /// Room for a line of JSON with a body; a URL ends sooner.
    static let maximumLine = 1 << 20

    private var bytes: [UInt8] = []
    private var start = 0
    /// Up to here there is no line's end.
    private var scanned = 0
    private var isFirst = true
    /// Within a line that is too long, which has been told already.
    private var isSkipping = false
    private(set) var isAtEnd = false
    /// How many bytes have been given away as lines.
    var consumed: Int { appended - (bytes.count - start) }
    private var appended = 0
    /// Nothing is left to give away.
    var isEmpty: Bool { start == bytes.count }

    /// Adds what was read next: nothing at the end.
    mutating func append(_ piece: [UInt8]) {
        isAtEnd = piece.isEmpty
        appended += piece.count
        if start == bytes.count {
            bytes = piece
        } else {
            bytes.removeSubrange(..<start)
            bytes += piece
        }
        scanned -= start
        start = 0
    }

    /// The next line; nil if more has to be read, or at the end.
    mutating func next() -> Line? {
        while true {
            if let end = lineEnd() {
                let line = start..<end
                start = end + 1
                scanned = start
                if isSkipping { isSkipping = false } else { return cut(line) }
            } else if isAtEnd {
                let line = start..<bytes.count
                start = bytes.count
                scanned = start
                return line.isEmpty || isSkipping ? nil : cut(line)
            } else {
                scanned = bytes.count
                guard scanned - start > Self.maximumLine || isSkipping else { return nil }
                start = scanned
                guard !isSkipping else { return nil }
                isSkipping = true
                isFirst = false
                return .tooLong
            }
        }
    }

    private func lineEnd() -> Int? {
        bytes.withUnsafeBytes { buffer in
            guard let base = buffer.baseAddress, scanned < buffer.count else { return nil }
            guard let end = memchr(base + scanned, Int32(UInt8(ascii: "\n")), buffer.count - scanned) else {
                return nil
            }
            return UnsafeRawPointer(end) - base
        }
    }

    private static func isASCII(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
        let raw = UnsafeRawBufferPointer(bytes)
        var all: UInt64 = 0
        var index = 0
        while index &+ 8 <= raw.count {
            all |= raw.loadUnaligned(fromByteOffset: index, as: UInt64.self)
            index &+= 8
        }
        while index < raw.count {
            all |= UInt64(raw[index])
            index &+= 1
        }
        return all & 0x8080_8080_8080_8080 == 0
    }

    private mutating func cut(_ range: Range<Int>) -> Line {
        defer { isFirst = false }
        guard range.count <= Self.maximumLine else { return .tooLong }
        return bytes.withUnsafeBytes { buffer in
            func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0D }
            var (start, end) = (range.lowerBound, range.upperBound)
            // A byte order mark, which some editors put first.
            if isFirst, buffer[range].starts(with: [0xEF, 0xBB, 0xBF]) { start += 3 }
            while start < end, isSpace(buffer[start]) { start += 1 }
            while start < end, isSpace(buffer[end - 1]) { end -= 1 }
            guard start < end, buffer[start] != UInt8(ascii: "#") else { return .nothing }
            let text = UnsafeRawBufferPointer(rebasing: buffer[start..<end]).assumingMemoryBound(to: UInt8.self)
            // What is ASCII is text, and needs no other look.
            if Self.isASCII(text) { return .text(String(decoding: text, as: UTF8.self)) }
            return String(validating: text, as: UTF8.self).map(Line.text) ?? .notText
        }
    }
}
