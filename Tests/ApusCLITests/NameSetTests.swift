import Testing

@testable import ApusCLI

@Suite struct NameSetTests {
    /// Beside sets of the standard library, with few hashes, so that most are asked for often.
    @Test func itHoldsWhatWasPutIntoIt() {
        var random = SplitMix(seed: 0x5E7)
        var set = NameSet()
        var known: [NameSet.Kind: Set<UInt64>] = [.file: [], .folder: []]
        let hashes = (0..<20_000).map { _ in random.next() } + [0, .max, 1, 1 << 63, 0xFFFF_FFFF]
        for _ in 0..<100_000 {
            let hash = hashes[Int(random.next() % UInt64(hashes.count))]
            let kind: NameSet.Kind = random.next() % 4 == 0 ? .folder : .file
            #expect(set.contains(kind, hash) == known[kind]?.contains(hash))
            guard random.next() % 2 == 0 else { continue }
            let isNew = set.insert(kind, hash)
            let wasNew = known[kind]?.insert(hash).inserted
            #expect(isNew == wasNew)
        }
        for kind in [NameSet.Kind.file, .folder] {
            for hash in hashes { #expect(set.contains(kind, hash) == known[kind]?.contains(hash)) }
        }
    }

    @Test func afterwardsOthersAreStillNotInIt() {
        var set = NameSet()
        for hash in 0..<UInt64(5_000) { set.insert(.file, hash &* 0x9E37_79B9_7F4A_7C15) }
        for hash in 0..<UInt64(5_000) {
            #expect(set.contains(.file, hash &* 0x9E37_79B9_7F4A_7C15))
            #expect(!set.contains(.folder, hash &* 0x9E37_79B9_7F4A_7C15))
            #expect(!set.contains(.file, ~hash &* 0xD134_2543_DE82_EF95))
        }
    }
}
