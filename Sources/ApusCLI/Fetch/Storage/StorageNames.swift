import Apus

/// Gives each item of the input a name of its own below the folder of `-o`.
///
/// Names are decided when an item is read, from it and from those before it, and from nothing else: neither what is finished first nor
/// what is in the folder already changes them. So a run that goes on from where another one ended gives the same names, provided that
/// each item passes here, also what is done already.
///
/// - A name that is taken gets the item's number: `name-17`. `name` and `name.file` count as one for that.
/// - A file whose name is a folder's gets `.file`. If the folder is needed only afterwards, the file that stands there is moved to
///   `name.file` when the folder is made (``Storage`` does that), and `name.file` counts as taken from now on.
///
/// Of a name 48 bits of a hash are kept: about 16 MB for a million. Two names that agree in them look the same, so that the second one
/// gets its number without need; a million names have such a pair once in 500 runs.
struct StorageNames {
    private let tree: Bool
    /// Names of the run's own files in the folder, and their options.
    private let reserved: [String: String]
    private var taken = NameSet()
    /// Whose folders are known: the item before is mostly from the same.
    private var lastFolders: [String] = []

    init(tree: Bool, reserved: [String: String] = [:]) {
        self.tree = tree
        self.reserved = reserved
    }

    /// - Returns: the name, or why what the item asks for is refused.
    mutating func assign(_ item: FetchItem) -> Result<StoragePath, StorageError> {
        do {
            let path = try item.output.map { try StoragePath(output: $0) } ?? StoragePath(item.uri, tree: tree)
            let assigned = assign(path, number: item.number)
            // Refused, not renamed: which files a run writes must not change the names of bodies.
            if !reserved.isEmpty, let option = owner(of: assigned) {
                return .failure(.refused("\(assigned.text) would take the place of the run's own file (\(option))"))
            }
            return .success(assigned)
        } catch let error as StorageError {
            return .failure(error)
        } catch {
            return .failure(.refused("\(error)"))
        }
    }

    /// The option of the run's own file whose place this would take, as a file or as a folder.
    private func owner(of path: StoragePath) -> String? {
        var name = ""
        for part in path.names {
            name += name.isEmpty ? part : "/" + part
            // Where a folder stands in its place, the body moves.
            if let option = reserved[name] ?? reserved[name + Folder.fileSuffix] { return option }
        }
        return nil
    }

    private mutating func assign(_ path: StoragePath, number: Int) -> StoragePath {
        var path = path
        var hash = StableHash()
        if !path.folders.isEmpty { enterFolders(&path.folders, &hash, number) }
        var name = hash.appending(path.file)
        if taken.contains(.folder, name) {
            path.file += ".file"
            name = hash.appending(path.file)
        }
        // A folder and its file share no name either.
        while taken.contains(.folder, name) || isRefugeTaken(of: path.file, hash) || !taken.insert(.file, name) {
            path.file += Self.suffix(number)
            name = hash.appending(path.file)
        }
        return path
    }

    /// Whether this file and another would be one where a folder of an earlier run has the place of either: that moves to `name.file`.
    private func isRefugeTaken(of file: String, _ folder: StableHash) -> Bool {
        if taken.contains(.file, folder.appending(file + Folder.fileSuffix)) { return true }
        guard file.hasSuffix(Folder.fileSuffix) else { return false }
        return taken.contains(.file, folder.appending(String(file.dropLast(Folder.fileSuffix.count))))
    }

    private static func suffix(_ number: Int) -> String { "-" + String(number) }

    /// Takes the folders, and gives another name to one that is a file's and cannot be had.
    private mutating func enterFolders(_ folders: inout [String], _ hash: inout StableHash, _ number: Int) {
        let isKnown = lastFolders == folders
        for depth in folders.indices {
            defer {
                hash.combine(folders[depth])
                hash.combine(UInt8(ascii: "/"))
            }
            if isKnown { continue }
            while true {
                let name = hash.appending(folders[depth])
                if taken.contains(.folder, name) { break }
                // A file makes room, unless the place that it would move to is taken.
                if !taken.contains(.file, name) || makeRoom(hash.appending(folders[depth] + ".file")) {
                    taken.insert(.folder, name)
                    break
                }
                folders[depth] += Self.suffix(number)
            }
        }
        if !isKnown { lastFolders = folders }
    }

    /// Takes the name that a file gets where a folder needs its own; false if it cannot be had.
    private mutating func makeRoom(_ refuge: UInt64) -> Bool {
        !taken.contains(.folder, refuge) && taken.insert(.file, refuge)
    }
}

extension StableHash {
    fileprivate func appending(_ text: String) -> UInt64 {
        var copy = self
        copy.combine(text)
        return copy.value
    }
}
