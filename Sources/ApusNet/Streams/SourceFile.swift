import ApusRuntime
import CApus
import Glibc

/// A part of a regular file that is to be sent. What may wait for a disk happens on the pool for blocking calls.
package final class SourceFile: Sendable {
    let path: String
    private let file: OpenFile
    var fd: Int32 { file.fd }
    /// Offsets in bytes.
    package let range: Range<Int64>

    /// Opens `path`.
    ///
    /// - Parameter range: offsets in bytes; nil for the whole file.
    /// - Throws: ``NetError`` `.file` with the system's reason, `.invalidArgument` for a range that reaches beyond the end.
    package init(path: String, range: Range<Int64>?) async throws {
        guard !path.utf8.contains(0), !path.isEmpty else {
            throw NetError(.invalidArgument, "“\(path)” cannot name a file: it is empty or contains a NUL.")
        }
        // Owned from the start: if the task is cancelled while the call runs, its result is dropped, and a bare number would stay open.
        let (file, size) = try await offload { try Self.open(path) }
        self.path = path
        self.file = file
        self.range = range ?? 0..<size
        guard self.range.lowerBound >= 0, self.range.upperBound <= size else {
            throw NetError(.invalidArgument, "“\(path)” has \(size) bytes; \(self.range) reaches beyond them.")
        }
    }

    /// Up to `count` bytes from `offset` on; at least one.
    ///
    /// - Throws: ``NetError`` `.file`, also where the file has become shorter.
    package func read(at offset: Int64, count: Int) async throws -> [UInt8] {
        let count = Int(min(Int64(count), range.upperBound - offset))
        let bytes = try await offload { try self.readHere(at: offset, count: count) }
        if bytes.isEmpty { throw shrunk(at: offset) }
        return bytes
    }

    /// Reads up to `count` bytes from `offset` on, at least one, if that needs no disk; nil where it does, where the system cannot tell, and where
    /// ``read(at:count:)`` has an error to report.
    func readFromMemory(at offset: Int64, into buffer: inout [UInt8], count: Int) -> Int? {
        let read = buffer.withUnsafeMutableBytes {
            apus_read_from_memory(fd, $0.baseAddress, min(count, $0.count), offset)
        }
        return read > 0 ? read : nil
    }

    /// Up to `count` bytes from `offset` on, at least one: from memory, or by a thread of the pool if that needs a disk.
    ///
    /// - Throws: ``NetError`` `.file`, also where the file has become shorter.
    package func piece(at offset: Int64, count: Int) async throws -> [UInt8] {
        let count = Int(min(Int64(count), range.upperBound - offset))
        var buffer = [UInt8](repeating: 0, count: count)
        guard let read = readFromMemory(at: offset, into: &buffer, count: count) else {
            return try await self.read(at: offset, count: count)
        }
        buffer.removeSubrange(read...)
        return buffer
    }

    /// Whether the byte at `offset` can be had without a disk, as far as the system can tell.
    func isInMemory(at offset: Int64) -> Bool { apus_is_in_memory(fd, offset) }

    /// Reads `count` bytes from `offset` on into the system's memory.
    func bringIntoMemory(at offset: Int64, count: Int) async throws {
        // With `self`: the call goes on when its task is cancelled, and the number must stay this file's.
        try await offload { apus_bring_into_memory(self.fd, offset, count) }
    }

    func shrunk(at offset: Int64) -> NetError {
        NetError(
            .file,
            "“\(path)” became shorter while it was sent: it ended at byte \(offset) instead of \(range.upperBound)."
        )
    }

    private static func open(_ path: String) throws(NetError) -> (file: OpenFile, size: Int64) {
        // Not to hang in a FIFO that nobody writes to.
        let fd = Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard fd >= 0 else { throw NetError(.file, errno: errno, while: "Opening “\(path)”") }
        let file = OpenFile(fd)
        var facts = stat()
        guard fstat(fd, &facts) == 0, facts.st_mode & S_IFMT == S_IFREG else {
            throw NetError(.file, "“\(path)” is not a file that can be sent.")
        }
        return (file, Int64(facts.st_size))
    }

    private func readHere(at offset: Int64, count: Int) throws(NetError) -> [UInt8] {
        var failure: Int32 = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            var result = pread(fd, buffer.baseAddress, buffer.count, off_t(offset))
            while result < 0, errno == EINTR { result = pread(fd, buffer.baseAddress, buffer.count, off_t(offset)) }
            if result < 0 { failure = errno }
            initialized = max(0, result)
        }
        if failure != 0 { throw NetError(.file, errno: failure, while: "Reading “\(path)”") }
        return bytes
    }
}

/// A descriptor that is closed with the last reference to it.
private final class OpenFile: Sendable {
    let fd: Int32

    init(_ fd: Int32) { self.fd = fd }

    deinit { close(fd) }
}
