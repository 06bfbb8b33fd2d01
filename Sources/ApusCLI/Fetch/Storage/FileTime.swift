import Glibc

/// A time as the kernel stamps files with it.
struct FileTime: Comparable {
    var seconds: Int
    var nanoseconds: Int

    /// After all others.
    static let never = FileTime(seconds: .max, nanoseconds: 0)

    /// Now, by the clock that files are stamped by, which is some milliseconds behind.
    static func now() -> FileTime {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME_COARSE, &time)
        return FileTime(seconds: time.tv_sec, nanoseconds: time.tv_nsec)
    }

    /// When a file got its name, or its contents, whichever was later (st_ctime); nil if it is not there.
    static func change(of name: String, in folder: Int32) -> FileTime? {
        var status = stat()
        guard fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else { return nil }
        return FileTime(seconds: status.st_ctim.tv_sec, nanoseconds: status.st_ctim.tv_nsec)
    }

    static func < (left: FileTime, right: FileTime) -> Bool {
        (left.seconds, left.nanoseconds) < (right.seconds, right.nanoseconds)
    }
}
