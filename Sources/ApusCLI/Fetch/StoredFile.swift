import Glibc
import Synchronization

/// The folder of `-o`.
struct StorageFolder: Sendable {
    let path: String
    let descriptor: Int32

    /// Opens the folder, and makes it first if need be.
    init(_ path: String) throws {
        self.path = path
        var made = ""
        for part in path.split(separator: "/", omittingEmptySubsequences: false) {
            made += made.isEmpty && part.isEmpty ? "/" : "\(part)/"
            mkdir(made, 0o777)
        }
        descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw StorageError("cannot use the folder \(path)", errno) }
        guard faccessat(descriptor, ".", W_OK | X_OK, AT_EACCESS) == 0 else {
            throw StorageError("cannot write into the folder \(path)", errno)
        }
    }
}

/// A body on its way to disk: under a name of its own in the folder where it belongs, renamed at the end, so that nobody ever
/// sees half of it under its own name.
///
/// It walks folder by folder and follows no symbolic link, so it cannot leave the ``StorageFolder``. If a file stands where a
/// folder is needed, the folder is called `name%dir`; if a folder stands where the file belongs, the file is `name%file`.
///
/// Every function blocks: call them through `offload`. The lock is for a call that its task no longer waits for.
final class StoredFile: Sendable {
    private struct State {
        var parent: Int32 = -1
        var file: Int32 = -1
        /// Set once this object has made the file: nothing else is ever removed.
        var temporaryName: String?
        var isOver = false
    }

    private let folder: StorageFolder
    private let path: StoragePath
    private let state = Mutex(State())

    init(in folder: StorageFolder, at path: StoragePath) {
        self.folder = folder
        self.path = path
    }

    private var fileName: String { path.names.last ?? StoragePath.index }
    private var description: String { "\(folder.path)/\(path.names.joined(separator: "/"))" }

    func write(_ bytes: [UInt8]) throws {
        try state.withLock { state in
            guard !state.isOver else { return }
            _ = try open(&state)
            do {
                try Output.writeAll(bytes, to: state.file)
            } catch let error as OutputError {
                throw StorageError("cannot write \(description)", error.errno)
            }
        }
    }

    /// Gives the file its name.
    func finish() throws {
        try state.withLock { state in
            guard !state.isOver else { return }
            let temporaryName = try open(&state)
            let closed = close(state.file)
            state.file = -1
            // Network file systems report a full disk here.
            guard closed == 0 else { throw StorageError("cannot write \(description)", errno) }
            var result = renameat(state.parent, temporaryName, state.parent, fileName)
            if result != 0, errno == EISDIR {
                result = renameat(state.parent, temporaryName, state.parent, fileName + "%file")
            }
            guard result == 0 else { throw StorageError("cannot rename the new file to \(description)", errno) }
            close(state.parent)
            state.parent = -1
            state.isOver = true
        }
    }

    /// Removes what was written, unless ``finish()`` has been. Safe any number of times.
    func discard() {
        state.withLock { state in
            state.isOver = true
            if state.file >= 0 { close(state.file) }
            state.file = -1
            guard state.parent >= 0 else { return }
            if let name = state.temporaryName { unlinkat(state.parent, name, 0) }
            close(state.parent)
            state.parent = -1
        }
    }

    /// Makes the file unless that has been done.
    ///
    /// - Returns: its name until it is complete.
    private func open(_ state: inout State) throws -> String {
        if let name = state.temporaryName {
            // Closed by a `finish` that failed: what was written must not be followed by the beginning of another file.
            guard state.file >= 0 else { throw StorageError("cannot write \(description)", EBADF) }
            return name
        }
        if state.parent < 0 { state.parent = try openParent() }
        let flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC
        // More than one try in case somebody guessed the name, which is not to be expected.
        for _ in 0..<Self.attempts {
            let name = Self.randomName()
            state.file = openat(state.parent, name, flags, 0o666)
            if state.file >= 0 {
                state.temporaryName = name
                return name
            }
            if errno != EEXIST { break }
        }
        throw StorageError("cannot make a file for \(description)", errno)
    }

    private static let attempts = 4

    /// Random, as a process number is not unique: containers that share a folder each count their own, and a process that
    /// was killed leaves its files behind.
    private static func randomName() -> String {
        var random = SystemRandomNumberGenerator()
        let digits = String(random.next() as UInt64, radix: 16)
        return ".%part-\(String(repeating: "0", count: 16 - digits.count))\(digits)"
    }

    private func openParent() throws -> Int32 {
        var parent = fcntl(folder.descriptor, F_DUPFD_CLOEXEC, 0)
        guard parent >= 0 else { throw StorageError("cannot open \(folder.path)", errno) }
        for name in path.names.dropLast() {
            let child = openFolder(name, in: parent)
            let reason = errno
            close(parent)
            guard child >= 0 else { throw StorageError("cannot make the folder \(name) for \(description)", reason) }
            parent = child
        }
        return parent
    }

    private func openFolder(_ name: String, in parent: Int32) -> Int32 {
        let flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC
        for name in [name, name + "%dir"] {
            if mkdirat(parent, name, 0o777) != 0, errno != EEXIST { return -1 }
            let descriptor = openat(parent, name, flags)
            if descriptor >= 0 || errno != ENOTDIR { return descriptor }
            // A symbolic link is refused in the same words as a file: it could lead outside.
            var status = stat()
            guard fstatat(parent, name, &status, AT_SYMLINK_NOFOLLOW) == 0, status.st_mode & S_IFMT == S_IFREG else {
                errno = ENOTDIR
                return -1
            }
        }
        return -1
    }
}

/// A body could not be stored.
struct StorageError: Error, CustomStringConvertible {
    var description: String

    init(_ action: String, _ errno: Int32) { description = "\(action): \(String(cString: strerror(errno)))" }
}
