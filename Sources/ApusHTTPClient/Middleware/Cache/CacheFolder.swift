import ApusNet
import Glibc

/// The folder of a cache on disk. Every function blocks: they are called through `offload`.
struct CacheFolder: Sendable {
    /// Of a name's two halves. A variant may be “-” alone.
    static let separator: Character = "."
    static let suffix = ".apus-cache"

    let path: String
    /// What writes: write(2), but for tests of a full disk.
    var writer: OutputFile.Writer = { Glibc.write($0, $1, $2) }

    struct File {
        var name: String
        var size: Int
    }

    /// The entries that there are, those used longest ago first. What is left of writes that did not end is removed.
    func list() -> [File] {
        guard let directory = opendir(path) else { return [] }
        defer { closedir(directory) }
        var found: [(file: File, time: timespec)] = []
        let now = time(nil)
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            let isEntry = name.hasSuffix(Self.suffix)
            guard isEntry || name.hasPrefix(".apus-") && name.hasSuffix(".part") else { continue }
            var facts = stat()
            guard fstatat(dirfd(directory), name, &facts, AT_SYMLINK_NOFOLLOW) == 0, facts.st_mode & S_IFMT == S_IFREG
            else { continue }
            if isEntry {
                found.append((File(name: name, size: Int(facts.st_size)), facts.st_mtim))
            } else if now - facts.st_mtim.tv_sec > 3_600 {
                // Nobody writes for an hour: its process has ended.
                unlinkat(dirfd(directory), name, 0)
            }
        }
        return found.sorted { ($0.time.tv_sec, $0.time.tv_nsec) < ($1.time.tv_sec, $1.time.tv_nsec) }.map(\.file)
    }

    /// The bytes of a file; nil if it is not there, is no regular file, cannot be read or is larger than `limit`.
    func read(_ name: String, limit: Int) -> [UInt8]? {
        let descriptor = open("\(path)/\(name)", O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var facts = stat()
        guard fstat(descriptor, &facts) == 0, facts.st_mode & S_IFMT == S_IFREG, facts.st_size <= limit else {
            return nil
        }
        var failed = false
        let bytes = [UInt8](unsafeUninitializedCapacity: Int(facts.st_size)) { buffer, count in
            while count < buffer.count {
                let read = Glibc.read(descriptor, buffer.baseAddress.map { $0 + count }, buffer.count - count)
                if read < 0, errno == EINTR { continue }
                failed = read < 0
                guard read > 0 else { break }
                count += read
            }
        }
        if failed { return nil }
        // The time of last use, by which the folder is in order when it is opened again.
        futimens(descriptor, nil)
        return bytes
    }

    /// Writes a file that only its owner may read, whole or not at all.
    ///
    /// - Throws: ``NetError`` `.file`.
    func write(_ bytes: [UInt8], as name: String) throws {
        if mkdir(path, 0o700) != 0, errno != EEXIST {
            throw NetError(.file, errno: errno, while: "Making the folder “\(path)”")
        }
        let file = try OutputFile(path: "\(path)/\(name)", mode: 0o600, writer: writer)
        do {
            try file.write(bytes)
            try file.finish(syncs: false, modified: nil)
        } catch {
            file.discard()
            throw error
        }
    }

    func remove(_ name: String) { unlink("\(path)/\(name)") }
}
