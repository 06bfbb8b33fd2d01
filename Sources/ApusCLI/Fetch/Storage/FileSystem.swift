import Glibc

/// What the kernel says of a file system.
enum FileSystem {
    /// Whether the folder is on a tmpfs: without a disk that a call could wait for.
    ///
    /// By the list of mounts, as `statfs` is none of Swift's Glibc. Where that cannot be read, nothing is taken to be in memory.
    static func isInMemory(_ descriptor: Int32) -> Bool {
        var status = stat()
        guard fstat(descriptor, &status) == 0, let mounts = Self.mounts() else { return false }
        let device = name(of: UInt64(status.st_dev))
        return mounts.split(separator: "\n").contains { isInMemory(line: $0, device: device) }
    }

    /// `major:minor`, as Linux puts them into one number.
    static func name(of device: UInt64) -> String {
        let major = (device >> 8) & 0xFFF | (device >> 32) & ~0xFFF
        let minor = device & 0xFF | (device >> 12) & ~0xFF
        return "\(UInt32(truncatingIfNeeded: major)):\(UInt32(truncatingIfNeeded: minor))"
    }

    /// Whether a line of /proc/self/mountinfo is of that device and in memory: `36 35 0:27 / /dev/shm rw shared:1 - tmpfs tmpfs rw`.
    static func isInMemory(line: Substring, device: String) -> Bool {
        let words = line.split(separator: " ")
        guard words.count > 2, words[2] == device, let dash = words.firstIndex(of: "-") else { return false }
        return words.dropFirst(dash + 1).first == "tmpfs"
    }

    private static func mounts() -> String? {
        let descriptor = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        while true {
            let piece = [UInt8](unsafeUninitializedCapacity: 16 * 1024) { buffer, filled in
                filled = max(0, read(descriptor, buffer.baseAddress, buffer.count))
            }
            if piece.isEmpty { return String(decoding: bytes, as: UTF8.self) }
            bytes += piece
        }
    }
}
