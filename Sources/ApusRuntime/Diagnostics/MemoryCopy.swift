import CApus

/// This process's memory as it is while one list of tasks is made.
///
/// Copied by the piece: a system call for each task, each of its records and each of its calls would hold the loop for a second where there are
/// ten thousand tasks, and they lie side by side.
final class MemoryCopy {
    private static let pieceSize = 16_384
    /// At most so many are kept (16 MB). What is asked for again then is copied again.
    private static let pieceLimit = 1_024

    private var pieces: [UInt: [UInt8]] = [:]
    private var code: [UInt: Bool] = [:]
    /// How many system calls it took.
    private(set) var reads = 0

    /// Fewer than `count` where memory ends.
    func bytes(at address: UInt, count: Int) -> [UInt8] {
        guard count > 0, address <= .max - UInt(count) else { return [] }
        var result: [UInt8] = []
        result.reserveCapacity(count)
        while result.count < count {
            let next = address + UInt(result.count)
            let start = next & ~UInt(Self.pieceSize - 1)
            let piece = piece(at: start)
            let offset = Int(next - start)
            guard offset < piece.count else {
                // A page before it cannot be read, and so nothing was: what is asked for may be there nevertheless.
                reads += 1
                return result + ProcessMemory.bytes(at: next, count: count - result.count)
            }
            result += piece[offset..<min(piece.count, offset + count - result.count)]
        }
        return result
    }

    /// Nil where there is not all of it.
    func words(at address: UInt, count: Int) -> [UInt]? {
        guard address % 8 == 0 else { return nil }
        let bytes = bytes(at: address, count: count * 8)
        guard bytes.count == count * 8 else { return nil }
        return bytes.withUnsafeBytes { Array($0.assumingMemoryBound(to: UInt.self)) }
    }

    /// Whether `address` is in the program or one of its libraries. Many tasks wait in few places: each is looked up once.
    func isCode(_ address: UInt) -> Bool {
        if let known = code[address] { return known }
        let found = apus_bt_is_in_image(address)
        code[address] = found
        return found
    }

    private func piece(at start: UInt) -> [UInt8] {
        if let piece = pieces[start] { return piece }
        if pieces.count == Self.pieceLimit { pieces = [:] }
        reads += 1
        let piece = ProcessMemory.bytes(at: start, count: Self.pieceSize)
        pieces[start] = piece
        return piece
    }
}
