import Glibc

/// An open folder. Each step from it goes to a name in it, and never along a symbolic link.
///
/// `openat2` with `RESOLVE_BENEATH` would follow links that stay within, and is missing in older kernels and forbidden in some
/// containers; a step at a time is stricter, the same everywhere, and needed anyway to make what is missing. ``FolderCache`` makes it
/// cheap.
final class Folder: Sendable {
    let descriptor: Int32

    init(descriptor: Int32) { self.descriptor = descriptor }

    deinit { close(descriptor) }

    private static let flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC

    /// The folder of that name, which is made if need be; a file in its place is moved to `name.file`.
    ///
    /// - Parameter beginning: when the run began. A file that it has stored replaces one that is older and has the name `name.file`, as
    ///   bodies replace what is there: a run that was killed may have moved the same body there before. Other files never do.
    /// - Returns: nil if it is not there and was not to be made, and the reason is in `errno`.
    func child(_ name: String, making: Bool, since beginning: FileTime = .never) -> Folder? {
        // More than one try in case somebody else makes or removes it at the same time.
        for _ in 0..<Self.attempts {
            let child = openat(descriptor, name, Self.flags)
            if child >= 0 { return Folder(descriptor: child) }
            guard making else { return nil }
            switch errno {
            case ENOENT:
                if mkdirat(descriptor, name, 0o777) != 0, errno != EEXIST { return nil }
            case ENOTDIR, ELOOP:
                // A symbolic link is refused in the same words as other things: it could lead outside.
                guard kind(of: name) == S_IFREG else {
                    errno = ENOTDIR
                    return nil
                }
                // Nothing is lost, as what has that name already stays.
                let refuge = name + Self.fileSuffix
                if Files.renameWithoutReplacing(name, to: refuge, in: descriptor) != 0, errno != ENOENT {
                    guard errno == EEXIST else { return nil }
                    guard makeRoom(name, refuge, beginning) else {
                        errno = EEXIST
                        return nil
                    }
                }
            default: return nil
            }
        }
        return nil
    }

    /// Finishes what a run that was killed had begun: the name of a file is a folder's from now on.
    private func makeRoom(_ name: String, _ refuge: String, _ beginning: FileTime) -> Bool {
        // It was killed between the second link and the end of the first.
        if Files.areSame(name, refuge, in: descriptor) { return unlinkat(descriptor, name, 0) == 0 }
        // Or before the folder was made, and the body was fetched again.
        guard let own = FileTime.change(of: name, in: descriptor), own >= beginning, kind(of: refuge) == S_IFREG,
            let other = FileTime.change(of: refuge, in: descriptor), other < beginning
        else { return false }
        return renameat(descriptor, name, descriptor, refuge) == 0
    }

    /// What a file is called whose name is a folder's.
    static let fileSuffix = ".file"
    private static let attempts = 8

    /// `S_IFREG` and the like; nil if nothing is there.
    func kind(of name: String) -> mode_t? {
        var status = stat()
        return fstatat(descriptor, name, &status, AT_SYMLINK_NOFOLLOW) == 0 ? status.st_mode & S_IFMT : nil
    }
}
