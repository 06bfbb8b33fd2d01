import Glibc
import Synchronization

/// Where bodies are while they are incomplete: a folder of our own in the folder of `-o`, for this run alone.
///
/// A body has the item's number as its name there. One that can be gone on with has a second file beside it, `number.meta`, which says of
/// what it is a part. Whatever a run that was killed left behind is removed by the next one, if nothing can be made of it. Of runs that went
/// on at the same time each had a folder; what a killed one left is taken from there by the item that it is a part of, whichever folder
/// its run has now.
final class StagingFolder: Sendable {
    static let name = ".apus-partial"
    private static let metaSuffix = ".meta"
    /// How many runs may go on in one folder at the same time.
    private static let limit = 64
    /// Each fails only because another run has ended just then.
    private static let attempts = 1_000

    /// What another run left in its folder.
    private struct Abandoned {
        var name: String
        var folder: Folder
        var numbers: Set<Int>
    }

    let folder: Folder
    private let ownName: String
    /// Of earlier runs. Others need not be looked for.
    private let leftovers: Mutex<Set<Int>>
    private let abandoned: [Abandoned]

    /// Makes it in `parent`; a second run at the same time gets one of its own.
    init(in parent: Folder) throws {
        var attempt = 1
        while true {
            let name = Self.folderName(attempt)
            // Whoever waits for the first has given a run that was killed the time that it needs.
            if let folder = try Self.locked(name, in: parent, waits: attempt == 1) {
                self.folder = folder
                ownName = name
                break
            }
            attempt += 1
            guard attempt <= Self.limit else { throw StorageError("cannot lock \(Self.name)", EWOULDBLOCK) }
        }
        leftovers = Mutex(Self.clean(folder))
        let own = ownName
        abandoned = (1...Self.limit).compactMap { attempt in
            let name = Self.folderName(attempt)
            guard name != own, let other = parent.child(name, making: false), Self.isOurs(other) else { return nil }
            // A run that still goes on keeps what it has.
            guard flock(other.descriptor, LOCK_EX | LOCK_NB) == 0 else { return nil }
            defer { flock(other.descriptor, LOCK_UN) }
            let numbers = Self.clean(other)
            if numbers.isEmpty, unlinkat(parent.descriptor, name, AT_REMOVEDIR) == 0 { return nil }
            return numbers.isEmpty ? nil : Abandoned(name: name, folder: other, numbers: numbers)
        }
    }

    private static func folderName(_ attempt: Int) -> String { attempt == 1 ? name : "\(name)-\(attempt)" }

    private static func isOurs(_ folder: Folder) -> Bool {
        var status = stat()
        return fstat(folder.descriptor, &status) == 0 && status.st_uid == geteuid()
    }

    /// - Returns: nil if it is another run's.
    private static func locked(_ name: String, in parent: Folder, waits: Bool) throws -> Folder? {
        for _ in 0..<attempts {
            if mkdirat(parent.descriptor, name, 0o700) != 0, errno != EEXIST {
                throw StorageError("cannot make the folder \(name)", errno)
            }
            guard let folder = parent.child(name, making: false) else {
                if errno == ENOENT { continue }
                throw StorageError("cannot use \(name) as a folder", errno)
            }
            var own = stat()
            guard fstat(folder.descriptor, &own) == 0, own.st_uid == geteuid() else {
                throw StorageError("cannot use \(name), which is another user's", EPERM)
            }
            guard waits ? Files.lock(folder.descriptor) : flock(folder.descriptor, LOCK_EX | LOCK_NB) == 0 else {
                if errno == EWOULDBLOCK { return nil }
                throw StorageError("cannot lock \(name)", errno)
            }
            // The run that had it may have removed it just before.
            var named = stat()
            if fstatat(parent.descriptor, name, &named, AT_SYMLINK_NOFOLLOW) == 0, named.st_ino == own.st_ino {
                return folder
            }
        }
        throw StorageError("cannot use \(name) as a folder", EAGAIN)
    }

    /// Removes bodies of which nothing is known, and what is known of bodies that are gone.
    ///
    /// - Returns: the numbers of the others.
    private static func clean(_ folder: Folder) -> Set<Int> {
        let names = Set(entries(folder))
        var numbers: Set<Int> = []
        for name in names {
            let isMeta = name.hasSuffix(metaSuffix)
            let stem = isMeta ? String(name.dropLast(metaSuffix.count)) : name
            guard let number = Int(stem), String(number) == stem else { continue }
            if names.contains(isMeta ? stem : stem + metaSuffix) {
                numbers.insert(number)
            } else {
                unlinkat(folder.descriptor, name, 0)
            }
        }
        return numbers
    }

    private static func entries(_ folder: Folder) -> [String] {
        let descriptor = openat(folder.descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0, let stream = fdopendir(descriptor) else {
            if descriptor >= 0 { Glibc.close(descriptor) }
            return []
        }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            names.append(
                withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
            )
        }
        return names
    }

    // MARK: - Files

    static func bodyName(_ number: Int) -> String { String(number) }
    static func metaName(_ number: Int) -> String { String(number) + metaSuffix }

    /// The name of a body's file as C has it: each file needs it twice, and a text of it is a call of the runtime.
    private static func withBodyName<Result>(_ number: Int, _ body: (UnsafePointer<CChar>) -> Result) -> Result {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 24) { buffer in
            var start = buffer.count - 1
            buffer[start] = 0
            var rest = number.magnitude
            repeat {
                start -= 1
                buffer[start] = CChar(0x30 + rest % 10)
                rest /= 10
            } while rest > 0
            if number < 0 {
                start -= 1
                buffer[start] = 0x2D
            }
            // Of 24 elements there is a first one.
            return body(UnsafePointer(buffer.baseAddress.unsafelyUnwrapped + start))
        }
    }

    /// Whether an earlier run left something that may be of this item.
    func mayHavePart(_ number: Int) -> Bool { hasLeftover(number) || isAbandoned(number) }

    /// Whether an earlier run left something here with this number.
    func hasLeftover(_ number: Int) -> Bool { leftovers.withLock { $0.contains(number) } }

    /// Whether runs at the same time left something of an item with this number.
    func isAbandoned(_ number: Int) -> Bool { abandoned.contains { $0.numbers.contains(number) } }

    /// Takes what another run left of this item, in place of what is here with that number.
    ///
    /// - Parameter isOfItem: whether the item is the one that this is known of.
    func adopt(_ number: Int, _ isOfItem: (_ folder: Folder) -> Bool) {
        for other in abandoned where other.numbers.contains(number) {
            // By now it may be a run's again.
            guard flock(other.folder.descriptor, LOCK_EX | LOCK_NB) == 0 else { continue }
            defer { flock(other.folder.descriptor, LOCK_UN) }
            guard isOfItem(other.folder) else { continue }
            // First what is known of the body here, which is going to be another one.
            removeMeta(number)
            let (body, meta) = (Self.bodyName(number), Self.metaName(number))
            guard renameat(other.folder.descriptor, body, folder.descriptor, body) == 0 else { continue }
            if renameat(other.folder.descriptor, meta, folder.descriptor, meta) == 0 { return addLeftover(number) }
            // Back, for a later run. Where even that fails the body is begun anew: without its second file it is nobody's.
            if renameat(folder.descriptor, body, other.folder.descriptor, body) != 0 { remove(number) }
        }
    }

    /// An empty file for a body; what is there of an earlier run is gone.
    ///
    /// - Returns: its descriptor, or -1 with the reason in `errno`.
    func makeBody(_ number: Int) -> Int32 {
        if hasLeftover(number) { removeMeta(number) }
        // No O_EXCL: the folder is locked, so that what is there is of nobody.
        let flags = O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC
        return Self.withBodyName(number) { openat(folder.descriptor, $0, flags, 0o666) }
    }

    /// Moves a body to where it belongs.
    ///
    /// - Returns: false with the reason in `errno`.
    func publish(_ number: Int, in other: Folder, as name: String) -> Bool {
        Self.withBodyName(number) { renameat(folder.descriptor, $0, other.descriptor, name) == 0 }
    }

    /// Removes what is known of the body, so that it cannot be gone on with.
    func removeMeta(_ number: Int) {
        unlinkat(folder.descriptor, Self.metaName(number), 0)
        leftovers.withLock { _ = $0.remove(number) }
    }

    /// A part of the body stays for a later attempt.
    func addLeftover(_ number: Int) { leftovers.withLock { _ = $0.insert(number) } }

    /// Removes the body and what is known of it.
    func remove(_ number: Int) {
        unlinkat(folder.descriptor, Self.bodyName(number), 0)
        unlinkat(folder.descriptor, Self.metaName(number), 0)
        leftovers.withLock { _ = $0.remove(number) }
    }

    /// Removes the folder if nothing is in it, and those of which everything was taken.
    func close(in parent: Folder) {
        unlinkat(parent.descriptor, ownName, AT_REMOVEDIR)
        for other in abandoned where flock(other.folder.descriptor, LOCK_EX | LOCK_NB) == 0 {
            unlinkat(parent.descriptor, other.name, AT_REMOVEDIR)
            flock(other.folder.descriptor, LOCK_UN)
        }
    }
}
