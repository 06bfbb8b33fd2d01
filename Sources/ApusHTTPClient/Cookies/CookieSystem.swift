import ApusNet
import ApusRuntime
import ApusWire
import Glibc

extension CookieMoment {
    /// This moment. On a loop in virtual time that time passes, and no other: a test says when a cookie ends.
    static func current() -> CookieMoment {
        guard let loop = EventLoop.current, loop.options.clock == .virtual else { return real() }
        let seconds = Int(loop.currentTime() / 1_000_000_000)
        return CookieMoment(wall: beginning.wall + seconds, steady: beginning.steady + seconds)
    }

    private static let beginning = real()

    private static func real() -> CookieMoment {
        var steady = timespec()
        // Goes on while the machine sleeps, which cookies do not do.
        clock_gettime(CLOCK_BOOTTIME, &steady)
        return CookieMoment(wall: time(nil), steady: steady.tv_sec)
    }
}

/// Files that are read whole: cookies, and lists of public suffixes.
enum WholeFile {
    /// Blocks: it is called through `offload`, or once for the process.
    ///
    /// - Parameter limit: the most bytes to read; a larger file is none of these.
    /// - Throws: ``NetError`` `.file` with the system's reason.
    static func read(_ path: String, limit: Int) throws -> [UInt8] {
        guard !path.isEmpty, !path.utf8.contains(0) else {
            throw NetError(.invalidArgument, "“\(path)” cannot name a file: it is empty or contains a NUL.")
        }
        // Non-blocking: a named pipe without a writer would keep the thread for ever.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw NetError(.file, errno: errno, while: "Opening “\(path)”") }
        defer { close(descriptor) }
        var facts = stat()
        guard fstat(descriptor, &facts) == 0 else { throw NetError(.file, errno: errno, while: "Reading “\(path)”") }
        guard facts.st_mode & S_IFMT == S_IFREG else {
            throw NetError(.invalidArgument, "“\(path)” is not a regular file.")
        }
        guard facts.st_size <= limit else {
            throw NetError(.invalidArgument, "“\(path)” has \(facts.st_size) bytes; at most \(limit) are read.")
        }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 64 * 1024)
        while bytes.count <= limit {
            let count = Glibc.read(descriptor, &piece, piece.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw NetError(.file, errno: errno, while: "Reading “\(path)”") }
            if count == 0 { return bytes }
            bytes += piece[..<count]
        }
        throw NetError(.invalidArgument, "“\(path)” grows while it is read.")
    }
}
