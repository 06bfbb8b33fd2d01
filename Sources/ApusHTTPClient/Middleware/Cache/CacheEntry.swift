import ApusWire
import HTTPTypes

/// A response as a cache keeps it: head and body.
struct CacheEntry: Sendable {
    var head: CachedResponse
    /// As the program sees it, without its codings.
    var body: [UInt8]
    /// A digest of the credentials for which alone it holds; empty if it holds for everybody. Never in a file.
    var partition = ""

    /// Which of its key's variants it is: a name made of what varies.
    var variant: String {
        guard !head.varied.isEmpty || !partition.isEmpty else { return "-" }
        let text = partition + head.varied.map { "\n\($0.name)=\($0.digest)" }.joined()
        return String(CacheDigest.hexadecimal(Array(text.utf8)).prefix(32))
    }

    /// About how much memory it takes.
    var cost: Int {
        body.count + 512 + head.fields.reduce(0) { $0 + $1.name.rawName.utf8.count + $1.value.utf8.count + 96 }
    }
}

// How an entry is written to a file: a mark, a checksum of all that follows, the lengths of head and body, and these. Numbers are
// little-endian, texts have their length before them. A file that is anything else is no entry.
extension CacheEntry {
    private static let mark = Array("apusca1\n".utf8)

    /// The file of an entry.
    var encoded: [UInt8] {
        var head = ByteWriter()
        head.number(UInt64(self.head.status), bytes: 4)
        head.number(UInt64(bitPattern: Int64(self.head.requestTime)), bytes: 8)
        head.number(UInt64(bitPattern: Int64(self.head.responseTime)), bytes: 8)
        head.text(self.head.reason.utf8)
        head.number(UInt64(self.head.fields.count), bytes: 4)
        for field in self.head.fields {
            head.text(field.name.rawName.utf8)
            field.withUnsafeBytesOfValue { head.text($0) }
        }
        head.number(UInt64(self.head.varied.count), bytes: 4)
        for varied in self.head.varied {
            head.text(varied.name.utf8)
            head.text(varied.digest.utf8)
        }
        var rest = ByteWriter()
        rest.bytes.reserveCapacity(head.bytes.count + body.count + 12)
        rest.number(UInt64(head.bytes.count), bytes: 4)
        rest.number(UInt64(body.count), bytes: 8)
        rest.bytes.append(contentsOf: head.bytes)
        rest.bytes.append(contentsOf: body)
        var file = ByteWriter()
        file.bytes.reserveCapacity(rest.bytes.count + 16)
        file.bytes.append(contentsOf: Self.mark)
        file.number(Self.checksum(rest.bytes[...]), bytes: 8)
        file.bytes.append(contentsOf: rest.bytes)
        return file.bytes
    }

    /// The entry of a file; nil if it is damaged, cut off or something else.
    init?(encoded file: [UInt8]) {
        var reader = ByteReader(bytes: file[...])
        guard reader.take(Self.mark.count).map({ Array($0) }) == Self.mark, let checksum = reader.number(bytes: 8),
            Self.checksum(reader.bytes) == checksum, let headCount = reader.number(bytes: 4),
            let bodyCount = reader.number(bytes: 8), UInt64(reader.bytes.count) == headCount &+ bodyCount,
            let headBytes = reader.take(Int(headCount))
        else { return nil }
        let body = Array(reader.bytes)
        reader = ByteReader(bytes: headBytes)
        guard let status = reader.number(bytes: 4), (200...999).contains(status),
            let requestTime = reader.number(bytes: 8), let responseTime = reader.number(bytes: 8),
            let reason = reader.text(), let fieldCount = reader.number(bytes: 4)
        else { return nil }
        var fields = HTTPFields()
        for _ in 0..<fieldCount {
            guard let name = reader.text().flatMap({ HTTPField.Name($0) }), let value = reader.slice() else {
                return nil
            }
            fields.append(HTTPField(name: name, value: value))
        }
        guard let variedCount = reader.number(bytes: 4) else { return nil }
        var varied: [CachedResponse.VariedField] = []
        for _ in 0..<variedCount {
            guard let name = reader.text(), let digest = reader.text() else { return nil }
            varied.append(.init(name: name, digest: digest))
        }
        self.body = body
        head = CachedResponse(
            status: Int(status),
            reason: reason,
            fields: fields,
            varied: varied,
            requestTime: Int(Int64(bitPattern: requestTime)),
            responseTime: Int(Int64(bitPattern: responseTime))
        )
    }

    /// FNV-1a, in words of eight bytes: against damage, not against enemies, who could write the whole file.
    private static func checksum(_ bytes: ArraySlice<UInt8>) -> UInt64 {
        bytes.withUnsafeBytes { bytes in
            var sum: UInt64 = 0xcbf2_9ce4_8422_2325 ^ UInt64(bytes.count)
            var at = 0
            while at + 8 <= bytes.count {
                let word = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: at, as: UInt64.self))
                sum = (sum ^ word) &* 0x100_0000_01b3
                // The multiplication moves bits upward only.
                sum ^= sum >> 29
                at += 8
            }
            while at < bytes.count {
                sum = (sum ^ UInt64(bytes[at])) &* 0x100_0000_01b3
                at += 1
            }
            return sum ^ sum >> 32
        }
    }
}

private struct ByteWriter {
    var bytes: [UInt8] = []

    mutating func number(_ value: UInt64, bytes count: Int) {
        for index in 0..<count { bytes.append(UInt8(truncatingIfNeeded: value >> (8 * UInt64(index)))) }
    }

    mutating func text(_ text: some Collection<UInt8>) {
        number(UInt64(text.count), bytes: 4)
        bytes.append(contentsOf: text)
    }
}

private struct ByteReader {
    var bytes: ArraySlice<UInt8>

    mutating func take(_ count: Int) -> ArraySlice<UInt8>? {
        guard count >= 0, count <= bytes.count else { return nil }
        defer { bytes = bytes.dropFirst(count) }
        return bytes.prefix(count)
    }

    mutating func number(bytes count: Int) -> UInt64? {
        take(count)?.reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }

    mutating func slice() -> ArraySlice<UInt8>? { number(bytes: 4).flatMap { take(Int($0)) } }

    mutating func text() -> String? { slice().map { String(decoding: $0, as: UTF8.self) } }
}
