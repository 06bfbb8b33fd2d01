import Glibc
import Synchronization

/// The file that makes a run resumable: which items are done.
///
/// Behind a head that says of which run it is there is one bit for each item of the input. A bit is only ever set, in its place, so
/// that nothing of the file is ever half written, whenever the process is killed: a byte is the old or the new one, and an item whose bit
/// is not there yet is fetched again. Only the head is written as a whole, to a temporary file that is then given its name.
///
/// An item is done once its body has its name, or was not to be stored. What failed is not done, and is tried again. The bodies are not
/// forced to disk, so that after a power failure (not after a crash of the program) one may be missing whose bit is set.
///
/// The file is locked as long as it is open, which another run is told.
final class FetchState: Sendable {
    let path: String
    /// By earlier runs.
    let doneCount: Int

    /// As an earlier run left it.
    let reportMark: ReportMark?

    private let headSize: Int
    private let descriptor: Int32
    private let numbers: Mutex<FinishedNumbers>
    /// Held while blocks are on their way, so that an older one never replaces a newer one; false once it is closed.
    private let isOpen = Mutex(true)

    fileprivate init(path: String, descriptor: Int32, headSize: Int, numbers: FinishedNumbers) {
        self.path = path
        self.descriptor = descriptor
        self.headSize = headSize
        reportMark = StateFile.reportMark(in: descriptor, headSize: headSize)
        doneCount = numbers.count
        self.numbers = Mutex(numbers)
    }

    deinit {
        if isOpen.withLock({ $0 }) { Glibc.close(descriptor) }
    }

    /// Opens the file, or begins a new one. Blocks, as do ``flush(sync:)`` and ``close(removing:)``.
    ///
    /// - Parameter resume: whether to go on with what is there. Without it a file that holds finished work is refused.
    /// - Throws: ``StateError``.
    static func open(path: String, identity: RunIdentity, resume: Bool) throws -> FetchState {
        try StateFile(path: path).open(identity: identity, resume: resume) {
            FetchState(path: path, descriptor: $0, headSize: $1, numbers: $2)
        }
    }

    /// Whether this item is done. Does not block.
    func isDone(_ number: Int) -> Bool { numbers.withLock { $0.contains(number) } }

    /// The item is done; ``flush(sync:)`` writes that down. Does not block.
    func markDone(_ number: Int) { numbers.withLock { $0.insert(number) } }

    /// Whether there is something for ``flush(sync:)`` to do. Does not block.
    var needsFlush: Bool { numbers.withLock { $0.hasUnwritten } }

    /// Writes down what is done.
    ///
    /// - Parameter sync: whether to wait until the disk has it.
    func flush(sync: Bool = false) throws { try isOpen.withLock { if $0 { try write(sync: sync) } } }

    /// Writes down up to where the report has nothing that this file does not have: behind ``flush(sync:)``. Nil is nowhere.
    func note(_ mark: ReportMark?) throws {
        try isOpen.withLock { isOpen in
            guard isOpen, let mark else { return }
            try StateFile.write(mark.bytes, to: descriptor, at: headSize - ReportMark.room, path)
        }
    }

    /// Writes down what is done, and gives the file free. Safe any number of times.
    ///
    /// - Parameter removing: everything is done, and the file is of no use any more.
    func close(removing: Bool = false) throws {
        try isOpen.withLock { isOpen in
            guard isOpen else { return }
            isOpen = false
            defer { Glibc.close(descriptor) }
            if removing {
                guard unlink(path) == 0 else { throw StateError("cannot remove \(path)", errno: errno) }
            } else {
                try write(sync: true)
            }
        }
    }

    private func write(sync: Bool) throws {
        let blocks = numbers.withLock { $0.takeUnwritten() }
        for (index, block) in blocks.enumerated() {
            do {
                try StateFile.write(block.bytes, to: descriptor, at: headSize + block.offset, path)
            } catch {
                numbers.withLock { $0.putBack(Array(blocks[index...])) }
                throw error
            }
        }
        if sync, fdatasync(descriptor) != 0 { throw StateError("cannot write \(path)", errno: errno) }
    }
}
