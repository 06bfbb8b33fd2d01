/// The names that ``StorageNames`` has given away: of each, 48 bits of its hash.
///
/// A table with open addressing, since a set of its own for each part of the hashes took an allocation for nearly every name.
struct NameSet {
    enum Kind: UInt64 {
        case file = 0
        /// Any number that makes another hash of it.
        case folder = 0x9E37_79B9_7F4A_7C15
    }

    /// A power of two; 0 is a free place.
    private var places = [UInt64](repeating: 0, count: 1_024)
    private var count = 0
    private var hasFolders = false

    /// Whether it is there, or another one whose 48 bits are the same.
    func contains(_ kind: Kind, _ hash: UInt64) -> Bool {
        if case .folder = kind, !hasFolders { return false }
        let key = Self.key(kind, hash)
        return places[Self.place(of: key, in: places)] == key
    }

    /// - Returns: false if it was there.
    @discardableResult
    mutating func insert(_ kind: Kind, _ hash: UInt64) -> Bool {
        if case .folder = kind { hasFolders = true }
        let key = Self.key(kind, hash)
        let place = Self.place(of: key, in: places)
        guard places[place] != key else { return false }
        places[place] = key
        count += 1
        // Three quarters are full: fuller, and the ways to a free place become long.
        if count > places.count / 4 * 3 { grow() }
        return true
    }

    private mutating func grow() {
        var larger = [UInt64](repeating: 0, count: 2 * places.count)
        for key in places where key != 0 { larger[Self.place(of: key, in: larger)] = key }
        places = larger
    }

    /// The 16 upper bits and the 32 lower ones, and one that is always set.
    private static func key(_ kind: Kind, _ hash: UInt64) -> UInt64 {
        let hash = hash ^ kind.rawValue
        return 1 << 48 | (hash >> 48) << 32 | hash & 0xFFFF_FFFF
    }

    /// Where it is, or would be: some place is always free.
    private static func place(of key: UInt64, in places: [UInt64]) -> Int {
        places.withUnsafeBufferPointer { places in
            let mask = places.count &- 1
            var place = Int(key & 0xFFFF_FFFF) & mask
            while places[place] != 0, places[place] != key { place = (place &+ 1) & mask }
            return place
        }
    }
}
