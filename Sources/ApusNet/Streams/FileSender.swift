import ApusRuntime

/// A file on its way to a stream, without passing through this process where the system can (sendfile(2)). Loop thread only.
///
/// sendfile(2) reads the file, and so may wait for a disk: before each piece a look at its first and last page tells whether it is in
/// memory, and if it is not, a thread of the pool brings it there.
package final class FileSender {
    /// Bytes per piece, about nginx's `sendfile_max_chunk`: a fast peer must not hold the loop for longer.
    private static let pieceSize: Int64 = 1 << 20
    /// Bytes read at a time where sendfile(2) does not work, as over TLS: four records, which stay in the processor's cache.
    private static let bufferSize = 64 * 1024

    private let file: SourceFile
    package private(set) var position: Int64
    /// Up to here the file was seen to be in memory.
    private var prepared: Int64
    private var isCopying = false
    /// Where sendfile(2) does not work: what was read, and which of it is not sent yet.
    private var buffer: [UInt8] = []
    private var pending = 0..<0

    package init(_ file: SourceFile) {
        self.file = file
        position = file.range.lowerBound
        prepared = position
    }

    package var isDone: Bool { position == file.range.upperBound }

    /// Sees to it that the next piece is in memory.
    package func prepare() async throws {
        if isCopying {
            if pending.isEmpty { try await fillBuffer() }
            return
        }
        guard position >= prepared else { return }
        let count = min(file.range.upperBound - position, Self.pieceSize)
        if !file.isInMemory(at: position) || !file.isInMemory(at: position + count - 1) {
            try await file.bringIntoMemory(at: position, count: Int(count))
        }
        prepared = position + count
    }

    private func fillBuffer() async throws {
        let count = Int(min(file.range.upperBound - position, Int64(Self.bufferSize)))
        if buffer.count < count { buffer = [UInt8](repeating: 0, count: count) }
        if let count = file.readFromMemory(at: position, into: &buffer, count: count) {
            pending = 0..<count
        } else {
            let bytes = try await file.read(at: position, count: count)
            buffer.replaceSubrange(0..<bytes.count, with: bytes)
            pending = 0..<bytes.count
        }
    }

    /// Sends what fits. False: nothing fits now, wait.
    package func send(to transport: any Transport) throws -> Bool {
        if isCopying {
            let count = try buffer.withUnsafeBytes { try transport.send(UnsafeRawBufferPointer(rebasing: $0[pending])) }
            guard let count else { return false }
            pending = pending.lowerBound + count..<pending.upperBound
            position += Int64(count)
            return true
        }
        switch try transport.sendFile(file.fd, at: position, count: Int(prepared - position)) {
        case .sent(0): throw file.shrunk(at: position)
        case .sent(let count): position += Int64(count)
        case .wouldBlock: return false
        case .unsupported: isCopying = true
        }
        return true
    }
}
