import Glibc

/// The file of `--report`: a line of JSON for each URL, readable for its owner only.
struct ReportFile: Sendable {
    let path: String
    private let descriptor: Int32
    /// A pipe or /dev/null is what it is.
    private let isRegular: Bool

    /// Makes the file, or goes on with the one of an earlier run.
    ///
    /// - Parameter continues: keeps what is there, but for a line that the earlier run did not get to write whole.
    /// - Throws: ``ReportError``.
    init(_ path: String, continues: Bool) throws {
        self.path = path
        let flags = O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | (continues ? 0 : O_TRUNC)
        descriptor = open(path, flags, 0o600)
        guard descriptor >= 0 else { throw ReportError(path, errno) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw ReportError(path, errno) }
        isRegular = status.st_mode & S_IFMT == S_IFREG
        guard isRegular else { return }
        fchmod(descriptor, 0o600)
        if continues { Self.dropBrokenLine(descriptor, size: Int(status.st_size)) }
    }

    /// All of the lines, or none of them: what a full disk took of them is removed again.
    func write(_ lines: [UInt8]) throws {
        let before = size
        do {
            try Output.writeAll(lines, to: descriptor)
        } catch let error as OutputError {
            cut(to: before)
            throw ReportError(path, error.errno)
        }
    }

    /// In bytes; 0 of a pipe or a device.
    var size: Int {
        var status = stat()
        return isRegular && fstat(descriptor, &status) == 0 ? Int(status.st_size) : 0
    }

    /// Removes what was written since it had this ``size``.
    func cut(to size: Int) {
        if isRegular { ftruncate(descriptor, size) }
    }

    private static func dropBrokenLine(_ descriptor: Int32, size: Int) {
        var end = size
        while end > 0 {
            let start = max(0, end - 4_096)
            var piece = [UInt8](repeating: 0, count: end - start)
            guard pread(descriptor, &piece, piece.count, start) == piece.count else { return }
            if let last = piece.lastIndex(of: UInt8(ascii: "\n")) {
                end = start + last + 1
                break
            }
            end = start
        }
        if end < size { ftruncate(descriptor, end) }
    }
}

/// The report could not be written.
struct ReportError: Error, CustomStringConvertible {
    var description: String

    init(_ path: String, _ errno: Int32) {
        description = "cannot write the report \(path): \(String(cString: strerror(errno)))"
    }
}
