import Apus
import Glibc
import Synchronization

/// The folder of `-o`, and the only way into it.
///
/// A body is written under a name of its own in ``StagingFolder`` and renamed at the end, so that nobody ever sees half of it. Whatever a
/// ``StoragePath`` says, it stays below the folder: every step follows no symbolic link. A file in the place of the new one is replaced,
/// a link there too, and never written to; a folder in its place stays, and the file is `name.file`.
///
/// Functions block: call them through `offload`.
final class Storage: Sendable {
    /// As it was given.
    let path: String
    let staging: StagingFolder
    /// Whether it is on a file system that has no disk, where no call waits for one.
    let isInMemory: Bool
    private let folders: FolderCache

    /// Opens the folder, and makes it first if need be.
    init(_ path: String) throws {
        self.path = path
        var made = ""
        for part in path.split(separator: "/", omittingEmptySubsequences: false) {
            made += made.isEmpty && part.isEmpty ? "/" : "\(part)/"
            mkdir(made, 0o777)
        }
        let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw StorageError("cannot use the folder \(path)", errno) }
        let root = Folder(descriptor: descriptor)
        guard faccessat(descriptor, ".", W_OK | X_OK, AT_EACCESS) == 0 else {
            throw StorageError("cannot write into the folder \(path)", errno)
        }
        isInMemory = FileSystem.isInMemory(descriptor)
        folders = FolderCache(root: root)
        staging = try StagingFolder(in: root)
    }

    /// Removes the folder of unfinished bodies unless there are some.
    func close() { staging.close(in: folders.root) }

    // MARK: - Bodies

    /// Stores a whole body.
    ///
    /// - Parameter modified: seconds since 1970, for the file's time; nil leaves it.
    /// - Returns: its name below the folder.
    func store(_ bytes: [UInt8], at path: StoragePath, number: Int, modified: Int64? = nil) throws -> String {
        let descriptor = staging.makeBody(number)
        guard descriptor >= 0 else { throw StorageError("cannot make a file for \(path.text)", errno) }
        do {
            do {
                try write(bytes, to: descriptor, path)
                Self.setTime(modified, of: descriptor)
            } catch {
                Glibc.close(descriptor)
                throw error
            }
            // Network file systems report a full disk here.
            guard Glibc.close(descriptor) == 0 else { throw StorageError("cannot write \(path.text)", errno) }
            return try publish(number, at: path)
        } catch {
            staging.remove(number)
            throw error
        }
    }

    /// A body that comes in pieces, or of which a part may be there.
    ///
    /// - Parameter asking: ``FetchPlan/asking(_:)``.
    func partial(at path: StoragePath, number: Int, uri: URI, asking: String = "") -> PartialFile {
        PartialFile(in: self, at: path, number: number, uri: uri, asking: asking)
    }

    struct Existing: Equatable {
        var size: Int
        /// Seconds since 1970.
        var modified: Int64
    }

    /// The file that is there already, if there is one.
    func existing(at path: StoragePath) throws -> Existing? {
        guard let folder = try folders.folder(path.folders[...], making: false) else { return nil }
        for name in [path.file, path.file + Folder.fileSuffix] {
            var status = stat()
            guard fstatat(folder.descriptor, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else { return nil }
            switch status.st_mode & S_IFMT {
            case S_IFREG: return Existing(size: Int(status.st_size), modified: Int64(status.st_mtim.tv_sec))
            case S_IFDIR: continue
            default: return nil
            }
        }
        return nil
    }

    // MARK: - For PartialFile

    func write(_ bytes: [UInt8], to descriptor: Int32, _ path: StoragePath) throws {
        do {
            try Output.writeAll(bytes, to: descriptor)
        } catch let error as OutputError {
            throw StorageError("cannot write \(path.text)", error.errno)
        }
    }

    /// Gives the body of that number its name.
    func publish(_ number: Int, at path: StoragePath) throws -> String {
        var isRetry = false
        while true {
            guard let folder = try folders.folder(path.folders[...], making: true) else {
                throw StorageError("cannot make a folder for \(path.text)", ENOENT)
            }
            if staging.publish(number, in: folder, as: path.file) { return path.text }
            switch errno {
            case EISDIR:
                if staging.publish(number, in: folder, as: path.file + Folder.fileSuffix) {
                    return path.text + Folder.fileSuffix
                }
            case ENOENT where !isRetry:
                // Somebody removed the folder while it was kept open.
                folders.removeAll()
                isRetry = true
                continue
            default: break
            }
            throw StorageError("cannot rename the new file to \(path.text)", errno)
        }
    }

    static func setTime(_ modified: Int64?, of descriptor: Int32) {
        guard let modified else { return }
        // Linux's UTIME_OMIT, which is a macro that Swift does not import.
        let omitted = timespec(tv_sec: 0, tv_nsec: (1 << 30) - 2)
        let times = (omitted, timespec(tv_sec: Int(modified), tv_nsec: 0))
        // Some file systems keep no times; the body is what matters.
        withUnsafeBytes(of: times) { _ = futimens(descriptor, $0.bindMemory(to: timespec.self).baseAddress) }
    }
}
