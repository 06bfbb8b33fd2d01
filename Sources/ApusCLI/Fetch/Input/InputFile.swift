import Glibc

/// The file of `-i`, or standard input.
///
/// What it does may block: call it through `offload`.
final class InputFile: Sendable {
    /// How messages call it.
    let name: String
    private let descriptor: Int32
    private let isStandardInput: Bool
    /// In bytes, when it was opened; nil for a pipe, a terminal and the like.
    let size: Int?

    private static let pieceSize = 128 * 1024

    /// - Parameter path: `-` for standard input.
    init(path: String) throws {
        guard path != "-" else {
            name = "stdin"
            descriptor = STDIN_FILENO
            isStandardInput = true
            size = Self.size(STDIN_FILENO)
            return
        }
        name = path
        isStandardInput = false
        descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw InputError(path, errno) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw InputError(path, errno) }
        guard status.st_mode & S_IFMT != S_IFDIR else { throw InputError(path, EISDIR) }
        size = Self.size(descriptor)
    }

    deinit {
        if !isStandardInput { close(descriptor) }
    }

    /// What comes next, as much of it as is there; nothing at the end.
    func read() throws -> [UInt8] {
        var reason: Int32 = 0
        let piece = [UInt8](unsafeUninitializedCapacity: Self.pieceSize) { buffer, filled in
            var count = 0
            repeat {
                count = Glibc.read(descriptor, buffer.baseAddress, buffer.count)
                // Somebody else made the terminal or the pipe non-blocking.
                if count < 0, errno == EAGAIN {
                    var ready = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
                    poll(&ready, 1, -1)
                    continue
                }
            } while count < 0 && (errno == EINTR || errno == EAGAIN)
            if count < 0 { reason = errno }
            filled = max(0, count)
        }
        guard reason == 0 else { throw InputError(name, reason) }
        return piece
    }

    /// From where it stands: a shell may have read the beginning.
    private static func size(_ descriptor: Int32) -> Int? {
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
        return max(0, Int(status.st_size) - max(0, lseek(descriptor, 0, SEEK_CUR)))
    }

    /// How a later run knows that it is the same; nil for what cannot be read again, such as standard input.
    func identity() throws -> InputIdentity? {
        guard !isStandardInput else { return nil }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw InputError(name, errno) }
        guard status.st_mode & S_IFMT == S_IFREG else { return nil }
        // Like `read`, but it moves nothing.
        var hash = StableHash()
        var offset = 0
        var buffer = [UInt8](repeating: 0, count: 64 * 1024)
        while offset < InputIdentity.hashedBytes {
            let count = pread(descriptor, &buffer, min(buffer.count, InputIdentity.hashedBytes - offset), offset)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw InputError(name, errno) }
            guard count > 0 else { break }
            hash.combine(buffer[..<count])
            offset += count
        }
        return InputIdentity(
            size: Int(status.st_size),
            modified: Int(status.st_mtim.tv_sec),
            nanoseconds: Int(status.st_mtim.tv_nsec),
            hash: hash.value
        )
    }
}

/// What tells one file of URLs from another, and from itself after a change.
struct InputIdentity: Sendable, Equatable {
    /// Of its beginning.
    static let hashedBytes = 1 << 20

    var size: Int
    var modified: Int
    var nanoseconds: Int
    var hash: UInt64
}

/// The input could not be read.
struct InputError: Error, CustomStringConvertible {
    var description: String

    init(_ name: String, _ errno: Int32) { description = "cannot read \(name): \(String(cString: strerror(errno)))" }
}
