import ApusWire
import Glibc

/// Makes text of bytes in one encoding: the usual ones by ApusWire's own tables, the others by iconv(3). One task at a time.
final class TextConverter {
    private enum Way {
        case builtIn(TextEncoding)
        case system(iconv_t)
    }

    /// As asked for, for errors.
    let label: String
    private let way: Way

    /// - Throws: `UnknownEncoding` if neither knows the label.
    init(label: String) throws(UnknownEncoding) {
        self.label = label
        switch TextEncoding.named(label) {
        case .builtIn(let encoding): way = .builtIn(encoding)
        case .unknown: throw UnknownEncoding(label: label, isLabel: false)
        case .needs(let name):
            // POSIX: (iconv_t)-1 says that it is not known.
            guard let handle = iconv_open("UTF-8", name), Int(bitPattern: handle) != -1 else {
                throw UnknownEncoding(label: label, isLabel: TextEncoding.isOfKnownFamily(name))
            }
            way = .system(handle)
        }
    }

    init(_ encoding: TextEncoding) {
        label = "\(encoding)"
        way = .builtIn(encoding)
    }

    deinit { if case .system(let handle) = way { iconv_close(handle) } }

    /// Whether a line end is one byte, and no other character has that byte in it.
    var hasPlainLineEnds: Bool {
        if case .builtIn(let encoding) = way { return encoding != .utf16BigEndian && encoding != .utf16LittleEndian }
        return true
    }

    /// All of a text. What is malformed becomes U+FFFD.
    ///
    /// - Returns: the text, and the offset of the first malformed byte.
    func convert(_ bytes: [UInt8]) -> (text: String, malformedOffset: Int?) {
        switch way {
        case .builtIn(let encoding):
            var decoder = TextDecoder(encoding)
            let text = decoder.decode(bytes)
            let rest = decoder.finish()
            return (rest.isEmpty ? text : text + rest, decoder.malformedOffset)
        case .system(let handle): return convert(bytes, handle)
        }
    }

    private func convert(_ bytes: [UInt8], _ handle: iconv_t) -> (String, Int?) {
        var output: [UInt8] = []
        output.reserveCapacity(bytes.count * 2)
        var malformed: Int?
        bytes.withUnsafeBytes { source in
            // iconv does not write to its input, whatever the type says.
            var next = UnsafeMutablePointer(mutating: source.baseAddress?.assumingMemoryBound(to: CChar.self))
            var left = source.count
            // Back to the initial state of encodings that have several.
            iconv(handle, nil, nil, nil, nil)
            withUnsafeTemporaryAllocation(byteCount: 4096, alignment: 1) { room in
                while left > 0 {
                    var target = room.baseAddress?.assumingMemoryBound(to: CChar.self)
                    var free = room.count
                    let result = iconv(handle, &next, &left, &target, &free)
                    let reason = errno
                    output.append(contentsOf: room[..<(room.count - free)])
                    guard result == -1, reason != E2BIG else { continue }
                    // EILSEQ, or EINVAL for a character that is cut off at the end: one byte is replaced, and the next looked at, so
                    // that a lead byte does not swallow an ASCII character (WHATWG Encoding §4.1).
                    if malformed == nil { malformed = source.count - left }
                    output.append(contentsOf: [0xEF, 0xBF, 0xBD])
                    if reason == EINVAL { break }
                    next = next.map { $0 + 1 }
                    left -= 1
                }
                // Some encodings hold the last character back, to see whether it combines with the next.
                var target = room.baseAddress?.assumingMemoryBound(to: CChar.self)
                var free = room.count
                iconv(handle, nil, nil, &target, &free)
                output.append(contentsOf: room[..<(room.count - free)])
            }
        }
        return (String(decoding: output, as: UTF8.self), malformed)
    }
}

/// Neither this library nor the system's iconv knows an encoding.
struct UnknownEncoding: Error {
    var label: String
    /// Whether it is like the names of encodings that exist, so that this system may lack its table.
    var isLabel: Bool

    var message: String {
        isLabel
            ? "This system's iconv does not know the encoding “\(label)”. Its tables are in libc6 or libc-gconv-modules-extra."
            : "“\(label)” is no name of an encoding. Use one such as \"gb18030\", or take the bytes."
    }
}
