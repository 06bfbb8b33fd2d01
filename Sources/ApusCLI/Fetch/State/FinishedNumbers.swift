/// Which numbers are finished: one bit for each, up to the largest one, and which of them are not on disk yet.
struct FinishedNumbers {
    /// What is written at a time: so many words of the bitmap.
    static let wordsPerBlock = 64
    /// 512 MB of bits.
    static let maximumNumber = 1 << 32

    struct Block: Sendable {
        /// In bytes, from the beginning of the bitmap.
        var offset: Int
        var bytes: [UInt8]
    }

    private var words: [UInt64] = []
    private var isDirty: [Bool] = []
    private var dirtyBlocks: [Int] = []
    private(set) var count = 0

    init() {}

    /// - Parameter bytes: of the bitmap, as it is on disk: little-endian, the number 1 first.
    init(bytes: [UInt8]) {
        words = [UInt64](repeating: 0, count: (bytes.count + 7) / 8)
        for (index, byte) in bytes.enumerated() { words[index >> 3] |= UInt64(byte) << UInt64((index & 7) * 8) }
        isDirty = [Bool](repeating: false, count: (words.count + Self.wordsPerBlock - 1) / Self.wordsPerBlock)
        count = words.reduce(0) { $0 + $1.nonzeroBitCount }
    }

    func contains(_ number: Int) -> Bool {
        let index = (number - 1) >> 6
        guard number > 0, index < words.count else { return false }
        return words[index] & (1 << UInt64((number - 1) & 63)) != 0
    }

    /// Numbers beyond ``maximumNumber`` are not kept.
    mutating func insert(_ number: Int) {
        guard number > 0, number <= Self.maximumNumber else { return }
        let index = (number - 1) >> 6
        let block = index / Self.wordsPerBlock
        while isDirty.count <= block {
            words.append(contentsOf: repeatElement(0, count: (isDirty.count + 1) * Self.wordsPerBlock - words.count))
            isDirty.append(false)
        }
        if index >= words.count {
            words.append(contentsOf: repeatElement(0, count: (block + 1) * Self.wordsPerBlock - words.count))
        }
        let bit: UInt64 = 1 << UInt64((number - 1) & 63)
        guard words[index] & bit == 0 else { return }
        words[index] |= bit
        count += 1
        markDirty(block)
    }

    private mutating func markDirty(_ block: Int) {
        guard !isDirty[block] else { return }
        isDirty[block] = true
        dirtyBlocks.append(block)
    }

    var hasUnwritten: Bool { !dirtyBlocks.isEmpty }

    /// What has to be written; from now on it counts as written.
    mutating func takeUnwritten() -> [Block] {
        let blocks = dirtyBlocks.map { block in
            isDirty[block] = false
            let first = block * Self.wordsPerBlock
            let words = words[first..<min(first + Self.wordsPerBlock, words.count)].map { $0.littleEndian }
            return Block(offset: first * 8, bytes: words.withUnsafeBytes { [UInt8]($0) })
        }
        dirtyBlocks.removeAll(keepingCapacity: true)
        return blocks
    }

    /// They could not be written after all.
    mutating func putBack(_ blocks: [Block]) {
        for block in blocks { markDirty(block.offset / 8 / Self.wordsPerBlock) }
    }
}
