#if TLS
import Glibc

/// Appends connections' secrets to a file, for tools that look into captured traffic: NSS's key log format.
struct TLSKeyLog {
    private let path: String

    /// Makes the file, if there is none.
    init(path: String) throws(TLSError) {
        self.path = path
        let fd = Self.open(path)
        guard fd >= 0 else {
            throw TLSError(
                .badConfiguration,
                "The key log file \(path) cannot be written: \(String(cString: strerror(errno)))"
            )
        }
        close(fd)
    }

    /// One line, in one write, so that processes may share the file. A disk that is full loses lines, not connections.
    func append(_ line: String) {
        let fd = Self.open(path)
        guard fd >= 0 else { return }
        defer { close(fd) }
        let bytes = Array((line + "\n").utf8)
        _ = write(fd, bytes, bytes.count)
    }

    /// Opened anew for each line: contexts live as long as the process, and a descriptor each would too.
    private static func open(_ path: String) -> Int32 {
        Glibc.open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
    }
}
#endif
