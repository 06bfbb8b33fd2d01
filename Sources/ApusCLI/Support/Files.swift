import Glibc

/// What Glibc's functions leave to do.
enum Files {
    /// Gives a file another name in the same folder, unless something has that name.
    ///
    /// By a second link, as `renameat2` is not to be had from Swift without C. Where there are no links, it looks first: then somebody who
    /// makes such a file at the same moment loses it.
    ///
    /// - Returns: 0, or -1 and the reason in `errno`.
    static func renameWithoutReplacing(_ name: String, to newName: String, in folder: Int32) -> Int32 {
        if linkat(folder, name, folder, newName, 0) == 0 { return unlinkat(folder, name, 0) }
        guard errno == EPERM || errno == EOPNOTSUPP || errno == ENOSYS else { return -1 }
        var status = stat()
        guard fstatat(folder, newName, &status, AT_SYMLINK_NOFOLLOW) != 0 else {
            errno = EEXIST
            return -1
        }
        return renameat(folder, name, folder, newName)
    }

    /// Whether two names are one file's.
    static func areSame(_ name: String, _ other: String, in folder: Int32) -> Bool {
        var one = stat()
        var two = stat()
        guard fstatat(folder, name, &one, AT_SYMLINK_NOFOLLOW) == 0 else { return false }
        guard fstatat(folder, other, &two, AT_SYMLINK_NOFOLLOW) == 0 else { return false }
        return one.st_dev == two.st_dev && one.st_ino == two.st_ino
    }

    /// Takes the lock of a file, and waits a moment for it: a run that was killed has its own until the kernel has put the process away,
    /// which is some time after `kill` has returned, and whoever goes on with it at once should not be told that it still runs.
    ///
    /// - Returns: false with `errno` as of flock(2): EWOULDBLOCK if somebody has it.
    static func lock(_ descriptor: Int32) -> Bool {
        for attempt in 0...lockAttempts {
            if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { return true }
            guard errno == EWOULDBLOCK, attempt < lockAttempts else { return false }
            usleep(lockPause)
        }
        return false
    }

    /// 0.3 s in all.
    private static let lockAttempts = 30
    private static let lockPause: UInt32 = 10_000
}
