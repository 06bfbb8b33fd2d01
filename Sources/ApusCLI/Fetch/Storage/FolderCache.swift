import Glibc
import Synchronization

/// The folders that were needed last, kept open: a file after the other mostly goes to the same few.
final class FolderCache: Sendable {
    private struct Entry {
        var folder: Folder
        var lastUse: Int
    }

    private struct State {
        var entries: [String: Entry] = [:]
        var uses = 0
        var last: (path: String, folder: Folder)?
    }

    /// A request has more than one descriptor itself, so these are few.
    static let limit = 32

    let root: Folder
    private let state = Mutex(State())

    /// When the run began: see ``Folder/child(_:making:since:)``.
    private let beginning = FileTime.now()

    init(root: Folder) { self.root = root }

    /// The folder of these names below the root.
    ///
    /// - Parameter making: whether it is made if need be.
    /// - Returns: nil if it is not there and was not to be made.
    /// - Throws: ``StorageError``. May block.
    func folder(_ names: ArraySlice<String>, making: Bool) throws -> Folder? {
        guard let name = names.last else { return root }
        let path = names.count == 1 ? name : names.joined(separator: "/")
        if let folder = known(path) { return folder }
        guard let parent = try folder(names.dropLast(), making: making) else { return nil }
        guard let folder = parent.child(name, making: making, since: beginning) else {
            let reason = errno
            if !making, reason == ENOENT || reason == ENOTDIR { return nil }
            throw StorageError("cannot use \(path) as a folder", reason)
        }
        remember(folder, path)
        return folder
    }

    /// Forgets them: one may have been removed.
    func removeAll() { state.withLock { $0 = State() } }

    var count: Int { state.withLock { $0.entries.count } }

    private func known(_ path: String) -> Folder? {
        state.withLock { state in
            if let last = state.last, last.path == path { return last.folder }
            state.uses += 1
            guard let folder = state.entries[path]?.folder else { return nil }
            state.entries[path]?.lastUse = state.uses
            state.last = (path, folder)
            return folder
        }
    }

    private func remember(_ folder: Folder, _ path: String) {
        state.withLock { state in
            if state.entries[path] == nil, state.entries.count >= Self.limit,
                let oldest = state.entries.min(by: { $0.value.lastUse < $1.value.lastUse })
            {
                state.entries[oldest.key] = nil
            }
            state.entries[path] = Entry(folder: folder, lastUse: state.uses)
            state.last = (path, folder)
        }
    }
}
