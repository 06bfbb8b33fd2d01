import Glibc

/// Where the page goes: for its owner's eyes only, and under its name only when it is complete.
struct HTMLReportFile: Sendable {
    let path: String
    /// Pipes and devices are written to as they are.
    private let isSpecial: Bool

    /// - Throws: ``WatchingError`` if it cannot be written there: better now than after hours.
    init(_ path: String) throws {
        self.path = path
        var status = stat()
        let exists = stat(path, &status) == 0
        isSpecial = exists && status.st_mode & S_IFMT != S_IFREG
        if exists, status.st_mode & S_IFMT == S_IFDIR { throw Self.error(path, "it is a folder") }
        let place = isSpecial ? path : Self.folder(of: path)
        guard access(place, W_OK) == 0 else { throw Self.error(path, String(cString: strerror(errno))) }
    }

    /// - Throws: ``WatchingError``.
    func write(_ report: HTMLReport) throws {
        let bytes = Array(report.page.utf8)
        if isSpecial { return try write(bytes, to: open(path, O_WRONLY | O_CLOEXEC)) }
        // Beside the file, so that it can be renamed; the process's number, so that two runs do not meet.
        let temporary = "\(Self.folder(of: path))/.apus-report-\(getpid())"
        unlink(temporary)
        do {
            try write(bytes, to: open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600))
            guard rename(temporary, path) == 0 else { throw Self.error(path, String(cString: strerror(errno))) }
        } catch {
            unlink(temporary)
            throw error
        }
    }

    private func write(_ bytes: [UInt8], to descriptor: Int32) throws {
        guard descriptor >= 0 else { throw Self.error(path, String(cString: strerror(errno))) }
        do {
            try Output.writeAll(bytes, to: descriptor)
        } catch let error as OutputError {
            close(descriptor)
            throw Self.error(path, String(cString: strerror(error.errno)))
        }
        // A full disk may be noticed only here.
        guard close(descriptor) == 0 else { throw Self.error(path, String(cString: strerror(errno))) }
    }

    private static func folder(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    private static func error(_ path: String, _ reason: String) -> WatchingError {
        WatchingError(description: "--html-report \(Format.harmless(path)): \(reason)")
    }
}
