import ApusNet
import Glibc
import Synchronization

/// A body on its way to a file: under a name of its own in the same folder, and renamed at the end, so that nobody ever sees half of it.
///
/// Every function blocks: they are called through `offload`. The lock is for a call that its task no longer waits for.
final class OutputFile: Sendable {
    private struct State {
        var descriptor: Int32 = -1
        /// Set once this object has made the file: nothing else is ever removed.
        var temporaryPath: String?
        /// A device, which is written to as it is.
        var isDevice = false
        var isOver = false
    }

    /// What writes: write(2), but for tests of a full disk.
    typealias Writer = @Sendable (Int32, UnsafeRawPointer, Int) -> Int

    private let path: String
    /// Who may do what with the file, less what umask(2) takes away.
    private let mode: mode_t
    private let writer: Writer
    private let state = Mutex(State())

    /// As open(2) and umask(2) have it: files that say nothing else take over what an old one allows.
    static let usualMode: mode_t = 0o666

    /// - Parameter mode: who may do what with the file, less the process's umask. A narrower one than usual holds also where the file
    ///   takes the place of one that allowed more.
    /// - Throws: ``NetError`` `.invalidArgument` for a path that cannot name a file.
    init(path: String, mode: mode_t = OutputFile.usualMode, writer: @escaping Writer = { Glibc.write($0, $1, $2) })
        throws
    {
        guard !path.isEmpty, !path.utf8.contains(0), !path.hasSuffix("/") else {
            throw NetError(
                .invalidArgument,
                "“\(path)” cannot name a file: it is empty, ends in “/” or contains a NUL."
            )
        }
        self.path = path
        self.mode = mode
        self.writer = writer
    }

    func write(_ bytes: [UInt8]) throws {
        try state.withLock { state in
            guard !state.isOver else { return }
            try open(&state)
            var sent = 0
            while sent < bytes.count {
                let count = bytes.withUnsafeBytes { bytes -> Int in
                    guard let base = bytes.baseAddress else { return 0 }
                    return writer(state.descriptor, base + sent, bytes.count - sent)
                }
                if count < 0, errno == EINTR { continue }
                // A regular file takes at least a byte or has a reason.
                guard count > 0 else { throw failure(count < 0 ? errno : EIO, "Writing") }
                sent += count
            }
        }
    }

    /// Gives the file its name, in the place of what has it.
    ///
    /// - Parameters:
    ///   - syncs: whether the bytes and the name are on the disk before this returns.
    ///   - modified: seconds since 1970 for the file's time; nil for now.
    func finish(syncs: Bool, modified: Int?) throws {
        try state.withLock { state in
            guard !state.isOver else { return }
            let temporary = try open(&state)
            if state.isDevice {
                close(state.descriptor)
                state.descriptor = -1
                state.isOver = true
                return
            }
            if let modified {
                let time = timespec(tv_sec: modified, tv_nsec: 0)
                let times = [time, time]
                guard futimens(state.descriptor, times) == 0 else { throw failure(errno, "Setting the time of") }
            }
            if syncs, fsync(state.descriptor) != 0 { throw failure(errno, "Syncing") }
            let closed = close(state.descriptor)
            state.descriptor = -1
            // Network file systems report a full disk here.
            guard closed == 0 else { throw failure(errno, "Writing") }
            guard rename(temporary, path) == 0 else { throw failure(errno, "Renaming the new file to") }
            state.isOver = true
            if syncs { try syncFolder() }
        }
    }

    /// Removes what was written, unless ``finish(syncs:modified:)`` has been. Safe any number of times.
    func discard() {
        state.withLock { state in
            if state.descriptor >= 0 { close(state.descriptor) }
            state.descriptor = -1
            if !state.isOver, let path = state.temporaryPath { unlink(path) }
            state.isOver = true
        }
    }

    deinit { discard() }

    /// Makes the file unless that has been done.
    ///
    /// - Returns: its name until it is complete.
    @discardableResult
    private func open(_ state: inout State) throws -> String {
        if state.isDevice { return path }
        if let path = state.temporaryPath {
            // Closed by a `finish` that failed.
            guard state.descriptor >= 0 else { throw failure(EBADF, "Writing") }
            return path
        }
        var facts = stat()
        let exists = stat(path, &facts) == 0
        if exists, facts.st_mode & S_IFMT != S_IFREG { return try openDevice(&state, facts.st_mode & S_IFMT) }
        var random = SystemRandomNumberGenerator()
        let folder = path.lastIndex(of: "/").map { String(path[...$0]) } ?? ""
        // More than one try in case somebody guessed the name, which is not to be expected.
        for _ in 0..<4 {
            let name = "\(folder).apus-\(String(random.next() as UInt64, radix: 36)).part"
            state.descriptor = Glibc.open(name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode)
            if state.descriptor >= 0 {
                state.temporaryPath = name
                // Who may read the old one may read the new one, and nobody else. Some file systems have no such modes.
                if exists, mode == Self.usualMode { fchmod(state.descriptor, facts.st_mode & 0o777) }
                return name
            }
            if errno != EEXIST { break }
        }
        throw failure(errno, "Making a file beside")
    }

    /// `/dev/null` and its like: whoever may make files beside it must not put one in its place.
    private func openDevice(_ state: inout State, _ kind: mode_t) throws -> String {
        guard kind == S_IFCHR else {
            throw NetError(
                .file,
                "“\(path)” is there already, and is neither a file nor a character device: nothing is put in its place."
            )
        }
        state.descriptor = Glibc.open(path, O_WRONLY | O_NOCTTY | O_CLOEXEC)
        guard state.descriptor >= 0 else { throw failure(errno, "Opening") }
        state.isDevice = true
        return path
    }

    /// The name is an entry of the folder: it has to reach the disk, too.
    private func syncFolder() throws {
        let folder = path.lastIndex(of: "/").map { String(path[...$0]) } ?? "."
        let descriptor = Glibc.open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure(errno, "Syncing the folder of") }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw failure(errno, "Syncing the folder of") }
    }

    private func failure(_ reason: Int32, _ action: String) -> NetError {
        NetError(.file, errno: reason, while: "\(action) “\(path)”")
    }
}
