import Glibc
import Synchronization

/// The file of `--report`: a line of JSON for each URL, readable for its owner only.
///
/// It is locked as long as it is open, since what one run takes back another would lose.
final class ReportFile: Sendable {
    let path: String
    private let descriptor: Int32
    /// A pipe or /dev/null is what it is.
    private let isRegular: Bool
    /// Whether it ends in the midst of a line that could not be taken back.
    private let isTorn = Atomic<Bool>(false)
    /// Whether what it has is an earlier run's, and goes.
    private let isStale: Atomic<Bool>

    /// Makes the file, or goes on with the one of an earlier run.
    ///
    /// - Parameter continues: keeps what is there, but for a line that the earlier run did not get to write whole.
    /// - Throws: ``ReportError``.
    init(_ path: String, continues: Bool) throws {
        self.path = path
        isStale = Atomic(!continues)
        // Not emptied here: it may be another run's.
        descriptor = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw ReportError(path, errno) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw ReportError(path, errno) }
        isRegular = status.st_mode & S_IFMT == S_IFREG
        guard isRegular else { return }
        // Some file systems have no locks.
        if !Files.lock(descriptor), errno == EWOULDBLOCK {
            throw ReportError(description: "the report \(path) is in use by another run")
        }
        fchmod(descriptor, 0o600)
        if continues { cutBrokenLine() }
    }

    /// The run begins: what the report of an earlier one says goes, and not before, since a command line that turns out to be wrong, or a
    /// missing file of certificates, is no run.
    ///
    /// - Throws: ``ReportError``.
    func begin() throws {
        guard isStale.exchange(false, ordering: .relaxed) else { return }
        if !cut(to: 0) { throw ReportError(path, errno) }
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    /// All of the lines, or none of them: what a full disk took of them is removed again. For one caller at a time.
    func write(_ lines: [UInt8]) throws {
        let before = size
        do {
            // Only the line that is broken is no JSON.
            if isTorn.load(ordering: .relaxed) { try Output.writeAll([UInt8(ascii: "\n")], to: descriptor) }
            isTorn.store(false, ordering: .relaxed)
            try Output.writeAll(lines, to: descriptor)
        } catch let error as OutputError {
            if !cut(to: before) { isTorn.store(true, ordering: .relaxed) }
            throw ReportError(path, error.errno)
        }
    }

    /// In bytes; 0 of a pipe or a device.
    var size: Int { mark?.size ?? 0 }

    /// Where its end is now; nil of a pipe or a device.
    var mark: ReportMark? {
        var status = stat()
        guard isRegular, fstat(descriptor, &status) == 0 else { return nil }
        return ReportMark(device: UInt64(status.st_dev), inode: UInt64(status.st_ino), size: Int(status.st_size))
    }

    /// Hands out the lines behind the mark; none if it is another file's.
    func readLines(after mark: ReportMark, _ body: (ArraySlice<UInt8>) -> Void) {
        guard let end = self.mark, end.isSameFile(as: mark), mark.size < end.size else { return }
        var offset = mark.size
        var rest: [UInt8] = []
        while offset < end.size, let piece = piece(at: offset, count: min(64 * 1024, end.size - offset)) {
            offset += piece.count
            rest += piece
            var start = 0
            while let next = rest[start...].firstIndex(of: UInt8(ascii: "\n")) {
                body(rest[start..<next])
                start = next + 1
            }
            rest.removeFirst(start)
        }
    }

    /// - Returns: whether that could be done; the reason is in `errno`.
    private func cut(to size: Int) -> Bool { !isRegular || ftruncate(descriptor, size) == 0 }

    private func cutBrokenLine() {
        let size = size
        var end = size
        while end > 0 {
            let start = max(0, end - 4_096)
            guard let piece = piece(at: start, count: end - start), piece.count == end - start else { return }
            if let last = piece.lastIndex(of: UInt8(ascii: "\n")) {
                end = start + last + 1
                break
            }
            end = start
        }
        if end < size, !cut(to: end) { isTorn.store(true, ordering: .relaxed) }
    }

    /// - Returns: nil if there is nothing, or it cannot be read.
    private func piece(at offset: Int, count: Int) -> [UInt8]? {
        let piece = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            filled = max(0, pread(descriptor, buffer.baseAddress, buffer.count, offset))
        }
        return piece.isEmpty ? nil : piece
    }
}

/// The report could not be written.
struct ReportError: Error, CustomStringConvertible {
    var description: String

    init(description: String) { self.description = description }

    init(_ path: String, _ errno: Int32) {
        self.init(description: "cannot write the report \(path): \(String(cString: strerror(errno)))")
    }
}
