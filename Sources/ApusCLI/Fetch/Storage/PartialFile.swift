import Apus
import Glibc
import Synchronization

/// A body that comes in pieces, and of which an earlier run may have a part.
///
/// What is known of the body is written before its first byte, so that even a run that is killed leaves a part that can be gone on with:
/// by a request for the rest (RFC 9110 §14.2) on the condition that the whole is still the same (§13.1.5). Whether an answer of 206 gives
/// that rest is for the caller to check.
///
/// Functions block: call them through `offload`. The lock is for a call that its task no longer waits for.
final class PartialFile: Sendable {
    /// What is there, and how to ask for the rest.
    struct Resumption: Sendable, Equatable {
        var offset: Int
        var validator: PartialValidator
    }

    private struct State {
        var descriptor: Int32 = -1
        var size = 0
        var hasValidator = false
        var isOver = false
    }

    private let storage: Storage
    private let path: StoragePath
    private let number: Int
    /// Of what it is a part: the number alone may be another item's, in a run with another input.
    private let identity: UInt64
    private let state = Mutex(State())

    /// - Parameter asking: what else was asked with: another user's or another language's body is another one, even if its date is the same
    ///   (RFC 9110 §8.8.2).
    init(in storage: Storage, at path: StoragePath, number: Int, uri: URI, asking: String = "") {
        self.storage = storage
        self.path = path
        self.number = number
        identity = StableHash(uri.redacted + "\n" + (uri.query ?? "") + "\n" + path.text + asking).value
    }

    deinit {
        let descriptor = state.withLock { $0.descriptor }
        if descriptor >= 0 { close(descriptor) }
    }

    private var staging: StagingFolder { storage.staging }

    /// How many bytes there are.
    var size: Int { state.withLock { $0.size } }

    /// What an earlier attempt or run has left; nil if the body begins anew.
    func resumption() -> Resumption? {
        if let own = resumptionHere() { return own }
        guard staging.isAbandoned(number) else { return nil }
        staging.adopt(number) { validator(in: $0) != nil }
        return resumptionHere()
    }

    private func resumptionHere() -> Resumption? {
        guard staging.hasLeftover(number) else { return nil }
        var status = stat()
        guard let validator = validator(in: staging.folder),
            fstatat(staging.folder.descriptor, StagingFolder.bodyName(number), &status, AT_SYMLINK_NOFOLLOW) == 0,
            status.st_mode & S_IFMT == S_IFREG, status.st_size > 0
        else { return nil }
        return Resumption(offset: Int(status.st_size), validator: validator)
    }

    /// Begins, or goes on.
    ///
    /// - Parameters:
    ///   - offset: 0 to begin anew, or that of ``resumption()``.
    ///   - validator: of the answer; nil if it has none, so that the body cannot be gone on with later.
    func begin(at offset: Int, validator: PartialValidator?) throws {
        try state.withLock { state in
            if state.descriptor >= 0 { close(state.descriptor) }
            state = State()
            if offset > 0 {
                try reopen(&state, offset)
            } else {
                // Before the body is emptied: what is known is of the one that was there.
                staging.removeMeta(number)
                state.descriptor = staging.makeBody(number)
                guard state.descriptor >= 0 else { throw StorageError("cannot make a file for \(path.text)", errno) }
                if let validator { state.hasValidator = writeMeta(validator.meta(identity: identity)) }
            }
        }
    }

    func append(_ bytes: [UInt8]) throws {
        try state.withLock { state in
            guard !state.isOver else { return }
            guard state.descriptor >= 0 else { throw StorageError("cannot write \(path.text)", EBADF) }
            try storage.write(bytes, to: state.descriptor, path)
            state.size += bytes.count
        }
    }

    /// Gives the file its name.
    ///
    /// - Parameter modified: seconds since 1970, for the file's time; nil leaves it.
    /// - Returns: its name below the folder.
    func finish(modified: Int64? = nil) throws -> String {
        try state.withLock { state in
            guard !state.isOver, state.descriptor >= 0 else { throw StorageError("cannot write \(path.text)", EBADF) }
            Storage.setTime(modified, of: state.descriptor)
            let closed = close(state.descriptor)
            state.descriptor = -1
            // Network file systems report a full disk here.
            guard closed == 0 else { throw StorageError("cannot write \(path.text)", errno) }
            let name = try storage.publish(number, at: path)
            state.isOver = true
            if state.hasValidator { staging.remove(number) }
            return name
        }
    }

    /// Ends without being complete: what is there stays if it can be gone on with. Safe any number of times.
    func keep() {
        state.withLock { state in
            guard !state.isOver else { return }
            state.isOver = true
            if state.descriptor >= 0 { close(state.descriptor) }
            state.descriptor = -1
            if state.hasValidator, state.size > 0 {
                staging.addLeftover(number)
            } else {
                staging.remove(number)
            }
        }
    }

    /// Ends without being complete, and removes what is there. Safe any number of times, and after ``finish(modified:)``.
    func discard() {
        state.withLock { state in
            guard !state.isOver else { return }
            state.isOver = true
            if state.descriptor >= 0 { close(state.descriptor) }
            state.descriptor = -1
            staging.remove(number)
        }
    }

    // MARK: - Files

    private func reopen(_ state: inout State, _ offset: Int) throws {
        let flags = O_WRONLY | O_NOFOLLOW | O_CLOEXEC
        state.descriptor = openat(staging.folder.descriptor, StagingFolder.bodyName(number), flags)
        var status = stat()
        guard state.descriptor >= 0, fstat(state.descriptor, &status) == 0 else {
            throw StorageError("cannot go on with the beginning of \(path.text)", errno)
        }
        guard Int(status.st_size) >= offset, ftruncate(state.descriptor, offset) == 0,
            lseek(state.descriptor, offset, SEEK_SET) == offset
        else { throw StorageError("cannot go on with the beginning of \(path.text)", EINVAL) }
        state.size = offset
        state.hasValidator = true
    }

    /// In one piece, which is whole even if the process is killed; what is not, its hash tells.
    private func writeMeta(_ text: String) -> Bool {
        let flags = O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC
        let descriptor = openat(staging.folder.descriptor, StagingFolder.metaName(number), flags, 0o600)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        // Without it the body is only not resumable.
        return (try? Output.writeAll(Array(text.utf8), to: descriptor)) != nil
    }

    /// Of what an earlier run left of this body; nil if there is nothing, or of another one.
    private func validator(in folder: Folder) -> PartialValidator? {
        readMeta(in: folder).flatMap { PartialValidator(meta: $0, identity: identity) }
    }

    private func readMeta(in folder: Folder) -> String? {
        let flags = O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK
        let descriptor = openat(folder.descriptor, StagingFolder.metaName(number), flags)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var buffer = [UInt8](repeating: 0, count: PartialValidator.maximumMeta)
        let count = read(descriptor, &buffer, buffer.count)
        return count > 0 ? String(validating: buffer[..<count], as: UTF8.self) : nil
    }
}
