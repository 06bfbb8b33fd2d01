import Apus
import Glibc
import Synchronization

/// The command on a terminal of its own: all three standard descriptors lead there, as when a person types it.
final class TerminalProcess: Sendable {
    private let identifier: pid_t
    /// Our side of the terminal.
    private let master: Int32
    private let received = Mutex<[UInt8]>([])

    /// - Parameter environment: beside nothing else but PATH, HOME, TERM and LANG.
    init(_ arguments: [String], folder: String, columns: Int, environment: [String: String] = [:]) throws {
        master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC)
        var (isLocked, number): (Int32, Int32) = (0, 0)
        // TIOCSPTLCK and TIOCGPTN, which Swift does not import.
        guard master >= 0, ioctl(master, 0x4004_5431, &isLocked) == 0, ioctl(master, 0x8004_5430, &number) == 0 else {
            throw ApusProcess.Failure(message: "no terminal: \(String(cString: strerror(errno)))")
        }
        let name = "/dev/pts/\(number)"
        Self.resize(master, columns)
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        // The first that a leader of a session opens is its terminal.
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, name, O_RDWR, 0)
        posix_spawn_file_actions_adddup2(&actions, STDIN_FILENO, STDOUT_FILENO)
        posix_spawn_file_actions_adddup2(&actions, STDIN_FILENO, STDERR_FILENO)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // POSIX_SPAWN_SETSID, which Swift does not import.
        posix_spawnattr_setflags(&attributes, 0x80)
        var variables = ["PATH": "/usr/bin:/bin", "HOME": folder, "TERM": "xterm-256color", "LANG": "C.UTF-8"]
        variables.merge(environment) { $1 }
        let words = ["/bin/sh", "-c", "cd \"$0\" && exec \"$@\"", folder, ApusProcess.path] + arguments
        var argv: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
        var envp: [UnsafeMutablePointer<CChar>?] = variables.map { strdup("\($0)=\($1)") } + [nil]
        defer { for pointer in argv + envp { free(pointer) } }
        var child: pid_t = 0
        guard posix_spawn(&child, words[0], &actions, &attributes, &argv, &envp) == 0 else {
            throw ApusProcess.Failure(message: "cannot start \(words[0])")
        }
        identifier = child
    }

    deinit { close(master) }

    /// What has come so far.
    var text: String { received.withLock { String(decoding: $0, as: UTF8.self) } }

    /// Forgets what has come so far.
    func forget() { received.withLock { $0 = [] } }

    /// As if the window was made wider or narrower.
    func resize(columns: Int) { Self.resize(master, columns) }

    private static func resize(_ master: Int32, _ columns: Int) {
        var size = winsize(ws_row: 24, ws_col: UInt16(columns), ws_xpixel: 0, ws_ypixel: 0)
        _ = ioctl(master, UInt(TIOCSWINSZ), &size)
    }

    /// Waits until what has come is as wanted.
    ///
    /// - Returns: false if the command ended before.
    @discardableResult
    func read(until isWanted: (String) -> Bool) async throws -> Bool {
        while !isWanted(text) {
            let master = master
            let bytes = try await offload { () -> [UInt8] in
                var buffer = [UInt8](repeating: 0, count: 4_096)
                let count = Glibc.read(master, &buffer, buffer.count)
                return count > 0 ? Array(buffer[..<count]) : []
            }
            // Nobody has the other side open any more: EIO.
            guard !bytes.isEmpty else { return false }
            received.withLock { $0 += bytes }
        }
        return true
    }

    /// Waits for the end.
    ///
    /// - Returns: the exit code.
    func wait() async throws -> Int32 {
        try await read { _ in false }
        let identifier = identifier
        return try await offload {
            var status: Int32 = 0
            while waitpid(identifier, &status, 0) < 0, errno == EINTR {}
            return status & 0x7F == 0 ? (status >> 8) & 0xFF : 128 + (status & 0x7F)
        }
    }
}
