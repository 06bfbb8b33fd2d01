import ApusRuntime
package import ApusWire
import Glibc

/// A file with user names and passwords by host, in the form of `.netrc`: aiohttp's `trust_env`, as far as that is about credentials.
///
/// ```swift
/// configuration.netrc = .environment
/// ```
///
/// It is read once for a session, at the first request that has no other credentials, in a thread of the pool. An entry is used as Basic
/// for the origin that is asked first, whatever its scheme and port, since the file knows hosts only; no redirect looks anything up.
/// Mind `default`: that entry goes to every host that has none of its own. Values may be in quotes, macros are passed over. A
/// file that others can read is a warning in the log. (aiohttp row C21.)
public struct NetrcFile: Sendable, Hashable {
    private enum Place: Sendable, Hashable {
        case environment
        case path(String)
    }

    private let place: Place

    /// The file that `$NETRC` names, or else `~/.netrc`. If there is none, or it is malformed, requests go without; the latter is logged.
    public static let environment = NetrcFile(place: .environment)

    /// This file. If it cannot be read, each request that would use it fails.
    public static func path(_ path: String) -> NetrcFile { NetrcFile(place: .path(path)) }

    /// What reading has found.
    package struct Contents: Sendable {
        package var netrc: Netrc?
        /// For the log.
        package var warning: String?
    }

    /// Reads it, which may block.
    ///
    /// - Parameter environment: the process's, but for tests.
    /// - Throws: ``AuthenticationError`` `.malformedNetrc`, for a file that was named by its path.
    package func read(
        environment: (String) -> String? = { name in getenv(name).map { String(cString: $0) } }
    ) throws(AuthenticationError) -> Contents {
        let path: String
        let mustExist: Bool
        switch place {
        case .path(let named): (path, mustExist) = (named, true)
        case .environment:
            if let named = environment("NETRC"), !named.isEmpty {
                (path, mustExist) = (named, true)
            } else if let home = environment("HOME"), !home.isEmpty {
                (path, mustExist) = ("\(home)/.netrc", false)
            } else {
                return Contents()
            }
        }
        do throws(AuthenticationError) {
            return try Self.read(path, mustExist: mustExist)
        } catch {
            guard place == .environment else { throw error }
            return Contents(warning: "\(error.message) Requests go without credentials from it.")
        }
    }

    private static func read(_ path: String, mustExist: Bool) throws(AuthenticationError) -> Contents {
        // Not to hang in a FIFO that nobody writes to.
        let fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard fd >= 0 else {
            if errno == ENOENT, !mustExist { return Contents() }
            throw problem(path, String(cString: strerror(errno)))
        }
        defer { close(fd) }
        var facts = stat()
        guard fstat(fd, &facts) == 0, facts.st_mode & S_IFMT == S_IFREG else { throw problem(path, "it is no file") }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 16_384)
        while true {
            let count = Glibc.read(fd, &piece, piece.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw problem(path, String(cString: strerror(errno))) }
            if count == 0 { break }
            bytes += piece[..<count]
            guard bytes.count <= Netrc.sizeLimit else { throw problem(path, "it is larger than 1 MiB") }
        }
        var contents = Contents()
        do throws(AuthenticationError) {
            contents.netrc = try Netrc(bytes)
        } catch {
            throw problem(path, error.message)
        }
        if facts.st_mode & 0o077 != 0 {
            contents.warning = "The file “\(path)” holds passwords, and others may read it: chmod 600."
        }
        return contents
    }

    private static func problem(_ path: String, _ what: String) -> AuthenticationError {
        AuthenticationError(.malformedNetrc, "The netrc file “\(path)” cannot be used: \(what).")
    }
}
