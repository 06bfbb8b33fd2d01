/// Up to where the report says nothing that the state does not: what stands behind it, a killed run had not got to note in the state.
///
/// It has the last bytes of the state's head, in one line: `report DEVICE INODE SIZE HASH`.
struct ReportMark: Sendable, Equatable {
    var device: UInt64
    var inode: UInt64
    /// In bytes.
    var size: Int

    /// How many bytes it has in the head. It is written in one piece within a page, so that a kill leaves the old one or the new one.
    static let room = 128

    func isSameFile(as other: ReportMark) -> Bool { device == other.device && inode == other.inode }

    var bytes: [UInt8] {
        let text = "report \(device) \(inode) \(size)"
        let line = Array("\(text) \(StableHash(text).digits)\n".utf8)
        return line + [UInt8](repeating: 0, count: Self.room - line.count)
    }

    init(device: UInt64, inode: UInt64, size: Int) { (self.device, self.inode, self.size) = (device, inode, size) }

    /// - Returns: nil if these are not ``bytes`` of a mark.
    init?(bytes: [UInt8]) {
        let words = String(decoding: bytes.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self).split(separator: " ")
        guard bytes.count == Self.room, words.count == 5, words[0] == "report", let device = UInt64(words[1]),
            let inode = UInt64(words[2]), let size = Int(words[3])
        else { return nil }
        self.init(device: device, inode: inode, size: size)
        guard self.bytes == bytes else { return nil }
    }
}
