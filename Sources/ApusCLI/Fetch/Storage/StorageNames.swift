import Apus

/// Gives each item of the input a name of its own below the folder of `-o`.
///
/// Names are decided when an item is read, from it and from those before it, and from nothing else: neither what is finished first nor
/// what is in the folder already changes them. So a run that goes on from where another one ended gives the same names, provided that
/// each item passes here, also what is done already.
///
/// - A name that is taken gets the item's number: `name-17`.
/// - A file whose name is a folder's gets `.file`. If the folder is needed only afterwards, the file that stands there is moved to
///   `name.file` when the folder is made (``Storage`` does that), and `name.file` counts as taken from now on.
///
/// Of a name 48 bits of a hash are kept: about 10 MB for a million. Two names that agree in them look the same, so that the second one
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
            if let option = reserved[name] { return option }
        }
        return nil
    }

    private mutating func assign(_ path: StoragePath, number: Int) -> StoragePath {
        var names = path.names
        let suffix = "-" + String(number)
        var hash = StableHash()
        if names.count > 1 { enterFolders(&names, &hash, suffix) }
        let depth = names.count - 1
        if taken.contains(.folder, hash.appending(names[depth])) { names[depth] += ".file" }
        while true {
            let name = hash.appending(names[depth])
            // A folder and its file share no name either.
            if !taken.contains(.folder, name), taken.insert(.file, name) { break }
            names[depth] += suffix
        }
        return StoragePath(names: names)
    }

    /// Takes the folders, and gives another name to one that is a file's and cannot be had.
    private mutating func enterFolders(_ names: inout [String], _ hash: inout StableHash, _ suffix: String) {
        let isKnown = lastFolders.count == names.count - 1 && lastFolders.elementsEqual(names.dropLast())
        for depth in names.indices.dropLast() {
            defer {
                hash.combine(names[depth])
                hash.combine(UInt8(ascii: "/"))
            }
            if isKnown { continue }
            while true {
                let name = hash.appending(names[depth])
                if !taken.insert(.folder, name) { break }
                guard taken.contains(.file, name) else { break }
                // The file makes room, unless the place that it would move to is taken.
                let refuge = hash.appending(names[depth] + ".file")
                if !taken.contains(.folder, refuge), taken.insert(.file, refuge) { break }
                taken.remove(.folder, name)
                names[depth] += suffix
            }
        }
        if !isKnown { lastFolders = Array(names.dropLast()) }
    }
}

/// A set of hashes of names.
private struct NameSet {
    enum Kind: UInt64 {
        case file = 0
        /// Any number that makes another hash of it.
        case folder = 0x9E37_79B9_7F4A_7C15
    }

    private static let bucketBits = 16
    private var buckets = [[UInt32]](repeating: [], count: 1 << bucketBits)

    private func place(_ kind: Kind, _ hash: UInt64) -> (bucket: Int, mark: UInt32) {
        let hash = hash ^ kind.rawValue
        return (Int(hash >> (64 - UInt64(Self.bucketBits))), UInt32(truncatingIfNeeded: hash))
    }

    func contains(_ kind: Kind, _ hash: UInt64) -> Bool {
        let (bucket, mark) = place(kind, hash)
        return buckets[bucket].contains(mark)
    }

    /// - Returns: false if it was there.
    mutating func insert(_ kind: Kind, _ hash: UInt64) -> Bool {
        let (bucket, mark) = place(kind, hash)
        guard !buckets[bucket].contains(mark) else { return false }
        buckets[bucket].append(mark)
        return true
    }

    mutating func remove(_ kind: Kind, _ hash: UInt64) {
        let (bucket, mark) = place(kind, hash)
        if let index = buckets[bucket].firstIndex(of: mark) { buckets[bucket].remove(at: index) }
    }
}

extension StableHash {
    fileprivate func appending(_ text: String) -> UInt64 {
        var copy = self
        copy.combine(text)
        return copy.value
    }
}
