import Glibc

/// How a state file is found, made, locked and read.
///
/// Its head is text, filled up with zeros to a multiple of ``headUnit``:
///
/// ```
/// apus-fetch-state 1 HEAD-SIZE
/// arguments COUNT HASH
/// input none | input stream | input file SIZE SECONDS NANOSECONDS HASH
/// output none | output HEXADECIMAL-PATH
/// tree BOOL
/// ranges BOOL
/// head HASH
/// ```
///
/// Its last bytes are for a ``ReportMark``.
struct StateFile {
    let path: String

    private static let title = "apus-fetch-state"
    private static let version = "1"
    static let headUnit = 4_096
    /// Of a path of 4,096 bytes in hexadecimal, and the rest.
    private static let maximumHead = 16_384

    // MARK: - Head

    static func head(_ identity: RunIdentity) -> [UInt8] {
        var size = headUnit
        while true {
            let text = (["\(title) \(version) \(size)"] + identity.lines).joined(separator: "\n") + "\n"
            let head = Array((text + "head \(StableHash(text).digits)\n").utf8)
            if head.count + ReportMark.room <= size { return head + [UInt8](repeating: 0, count: size - head.count) }
            size += headUnit
        }
    }

    /// - Returns: nil if it is no head, or not a whole one.
    static func parse(_ bytes: [UInt8]) -> (identity: RunIdentity, size: Int)? {
        guard let text = String(validating: bytes.prefix { $0 != 0 }, as: UTF8.self) else { return nil }
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        guard lines.count == 8, lines.removeLast().isEmpty else { return nil }
        let last = lines.removeLast()
        guard last == "head \(StableHash(lines.joined(separator: "\n") + "\n").digits)" else { return nil }
        let first = lines.removeFirst().split(separator: " ")
        guard first.count == 3, first[0] == title, first[1] == version, let size = Int(first[2]), size >= headUnit,
            size <= bytes.count
        else { return nil }
        return RunIdentity(lines: lines).map { ($0, size) }
    }

    /// Nil if there is none.
    static func reportMark(in descriptor: Int32, headSize: Int) -> ReportMark? {
        var bytes = [UInt8](repeating: 0, count: ReportMark.room)
        guard pread(descriptor, &bytes, bytes.count, headSize - bytes.count) == bytes.count else { return nil }
        return ReportMark(bytes: bytes)
    }

    // MARK: - Opening

    /// - Returns: what `make` makes of the descriptor, the size of the head and what is finished.
    func open<Success>(
        identity: RunIdentity,
        resume: Bool,
        _ make: (Int32, Int, FinishedNumbers) -> Success
    ) throws -> Success {
        // Another run may make, replace or remove the file between our looks at it.
        for _ in 0..<100 {
            let descriptor = Glibc.open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK)
            if descriptor < 0 {
                guard errno == ENOENT else { throw StateError("cannot open \(path)", errno: errno) }
                let head = Self.head(identity)
                guard let new = try create(head, replacing: false) else { continue }
                return make(new, head.count, FinishedNumbers())
            }
            do {
                guard try lock(descriptor) else {
                    close(descriptor)
                    continue
                }
                let opened = try use(descriptor, identity, resume)
                return make(opened.descriptor, opened.headSize, opened.numbers)
            } catch {
                close(descriptor)
                throw error
            }
        }
        throw StateError(.inUse, "cannot use \(path): others make and remove it all the time")
    }

    /// - Returns: false if the file has another name by now, or none.
    private func lock(_ descriptor: Int32) throws -> Bool {
        var own = stat()
        guard fstat(descriptor, &own) == 0 else { throw StateError("cannot open \(path)", errno: errno) }
        guard own.st_mode & S_IFMT == S_IFREG else { throw StateError(.notAState, "\(path) is no file") }
        guard own.st_uid == geteuid() else { throw StateError(.notAState, "\(path) is another user's file") }
        guard Files.lock(descriptor) else {
            guard errno == EWOULDBLOCK else { throw StateError("cannot lock \(path)", errno: errno) }
            throw StateError(.inUse, "\(path) is in use by another run")
        }
        var named = stat()
        return stat(path, &named) == 0 && named.st_ino == own.st_ino && named.st_dev == own.st_dev
    }

    private func use(
        _ descriptor: Int32,
        _ identity: RunIdentity,
        _ resume: Bool
    ) throws -> (descriptor: Int32, headSize: Int, numbers: FinishedNumbers) {
        let start = try read(descriptor, at: 0, count: Self.maximumHead)
        if !start.isEmpty {
            guard let (earlier, headSize) = Self.parse(start) else {
                let advice = "name another file, or remove it to begin anew"
                throw StateError(.notAState, "\(path) is no state file of apus fetch, or is damaged: \(advice)")
            }
            let bytes = try read(descriptor, at: headSize, count: FinishedNumbers.maximumNumber / 8)
            let numbers = FinishedNumbers(bytes: bytes)
            if resume {
                if let difference = identity.difference(from: earlier) {
                    throw StateError(.otherRun, "cannot go on with \(path): \(difference)")
                }
                fchmod(descriptor, 0o600)
                return (descriptor, headSize, numbers)
            }
            guard numbers.count == 0 else {
                let done = Format.count(numbers.count, "finished item")
                let advice = "add --resume to go on, or remove it to begin anew"
                throw StateError(.hasWork, "\(path) holds \(done) of an earlier run: \(advice)")
            }
        }
        let head = Self.head(identity)
        guard let new = try create(head, replacing: true) else {
            throw StateError("cannot make \(path)", errno: EEXIST)
        }
        // Only now, so that nobody else gets the lock in between.
        close(descriptor)
        return (new, head.count, FinishedNumbers())
    }

    /// Writes a temporary file, locks it, and gives it the name.
    ///
    /// - Returns: nil if there is a file of that name, and it is not to be replaced.
    private func create(_ head: [UInt8], replacing: Bool) throws -> Int32? {
        var random = SystemRandomNumberGenerator()
        let temporary = path + "." + StableHash.digits(random.next()) + ".new"
        let descriptor = Glibc.open(temporary, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw StateError("cannot make \(path)", errno: errno) }
        do {
            try Self.write(head, to: descriptor, at: 0, path)
            guard fsync(descriptor) == 0, flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
                throw StateError("cannot make \(path)", errno: errno)
            }
            let renamed =
                replacing ? rename(temporary, path) : Files.renameWithoutReplacing(temporary, to: path, in: AT_FDCWD)
            if renamed == 0 { return descriptor }
            guard errno == EEXIST else { throw StateError("cannot make \(path)", errno: errno) }
            unlink(temporary)
            close(descriptor)
            return nil
        } catch {
            unlink(temporary)
            close(descriptor)
            throw error
        }
    }

    // MARK: - Bytes

    private func read(_ descriptor: Int32, at offset: Int, count: Int) throws -> [UInt8] {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 64 * 1024)
        while bytes.count < count {
            let got = pread(descriptor, &buffer, min(buffer.count, count - bytes.count), offset + bytes.count)
            if got < 0, errno == EINTR { continue }
            guard got >= 0 else { throw StateError("cannot read \(path)", errno: errno) }
            guard got > 0 else { break }
            bytes += buffer[..<got]
        }
        return bytes
    }

    static func write(_ bytes: [UInt8], to descriptor: Int32, at offset: Int, _ path: String) throws {
        var written = 0
        while written < bytes.count {
            let count = bytes.withUnsafeBytes {
                pwrite(descriptor, $0.baseAddress.map { $0 + written }, bytes.count - written, offset + written)
            }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw StateError("cannot write \(path)", errno: errno) }
            written += count
        }
    }
}
