import Apus
import Glibc

/// Standard output, written to without holding the loop: the other end of a pipe may be slow.
struct Output: Sendable {
    /// One thread: what is written stays in order.
    private static let pool = OffloadPool(name: "output", maximumThreads: 1)

    /// Writes all of `bytes`.
    ///
    /// - Throws: ``OutputError``, `CancellationError`.
    ///
    /// Cancel safety: what has not begun to be written never is.
    func write(_ bytes: [UInt8]) async throws {
        try await offload(to: Self.pool) { try Self.writeAll(bytes, to: STDOUT_FILENO) }
    }

    func write(line: String) async throws { try await write(Array((line + "\n").utf8)) }

    static func writeAll(_ bytes: [UInt8], to descriptor: Int32) throws {
        try bytes.withUnsafeBytes { buffer in
            var rest = buffer[...]
            while !rest.isEmpty {
                let count = Glibc.write(descriptor, rest.baseAddress, rest.count)
                if count >= 0 {
                    rest = rest.dropFirst(count)
                } else if errno == EAGAIN {
                    // Somebody else made the terminal or the pipe non-blocking.
                    var ready = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                    poll(&ready, 1, -1)
                } else if errno != EINTR {
                    throw OutputError(errno: errno)
                }
            }
        }
    }
}

extension Output {
    /// As ``writeAll(_:to:)``, but waits no longer for a reader that takes nothing when the process was told to end and its grace is over:
    /// a supervisor that reads no more should not have to kill it.
    ///
    /// A terminal is a person's, who can press Ctrl-C once more.
    static func writeWhileWanted(_ bytes: [UInt8], to descriptor: Int32) throws {
        var status = stat()
        guard fstat(descriptor, &status) == 0, [S_IFIFO, S_IFSOCK].contains(status.st_mode & S_IFMT) else {
            return try writeAll(bytes, to: descriptor)
        }
        var rest = bytes[...]
        while !rest.isEmpty {
            var ready = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
            let count = poll(&ready, 1, patience)
            if count == 0, Termination.isOverdue { throw OutputError(errno: ETIMEDOUT) }
            guard count > 0 else { continue }
            // So much fits into a pipe that is said to have room: pipe(7).
            let piece = rest.prefix(4_096)
            try writeAll(Array(piece), to: descriptor)
            rest = rest.dropFirst(piece.count)
        }
    }

    /// Milliseconds in which something has to be taken.
    private static let patience: Int32 = 1_000
}

extension Slice<UnsafeRawBufferPointer> {
    fileprivate var baseAddress: UnsafeRawPointer? { UnsafeRawBufferPointer(rebasing: self).baseAddress }
}

/// Standard output takes no more.
struct OutputError: Error, CustomStringConvertible {
    var errno: Int32

    /// Its reader has gone, as with `| head`.
    var isClosed: Bool { errno == EPIPE }

    var description: String { "cannot write to standard output: \(String(cString: strerror(errno)))" }
}

/// Standard error, for what is not a result.
enum StandardError {
    static func write(_ text: String) {
        // Nobody could be told if this failed.
        try? Output.writeAll(Array(text.utf8), to: STDERR_FILENO)
    }

    static func complain(_ text: String) { write("apus: \(text)\n") }
}
