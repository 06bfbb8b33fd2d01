import Apus
import Glibc
import Testing

@testable import ApusCLI

@Suite struct PartialFileTests {
    private let tag = PartialValidator(etag: "\"abc\"", lastModified: nil, date: nil)

    private func partial(_ storage: Storage, number: Int = 5, name: String = "d/a", url: String = "http://h/a") throws
        -> PartialFile
    {
        storage.partial(at: try StoragePath(output: name), number: number, uri: try URI(url))
    }

    /// A run of its own in that folder.
    private func run(_ path: String, _ body: (Storage) throws -> Void) throws {
        let storage = try Storage(path)
        try body(storage)
        storage.close()
    }

    @Test func aFileHasItsNameOnlyWhenItIsComplete() throws {
        try withScratchFolder { path in
            try run(path) { storage in
                let file = try partial(storage)
                #expect(file.resumption() == nil)
                try file.begin(at: 0, validator: tag)
                try file.append(Array("one ".utf8))
                #expect(try listTree(path) == [".apus-partial/5", ".apus-partial/5.meta"])
                try file.append(Array("two".utf8))
                #expect(try file.finish(modified: 1_000) == "d/a")
                file.keep()
                file.discard()
            }
            #expect(try listTree(path) == ["d/a"])
            #expect(readText(path + "/d/a") == "one two")
            #expect(modified(path + "/d/a") == 1_000)
        }
    }

    @Test func whatIsKeptIsGoneOnWithByTheNextRun() throws {
        try withScratchFolder { path in
            try run(path) { storage in
                let file = try partial(storage)
                try file.begin(at: 0, validator: tag)
                try file.append(Array("one ".utf8))
                file.keep()
                file.keep()
            }
            try run(path) { storage in
                let file = try partial(storage)
                let resumption = file.resumption()
                #expect(resumption?.offset == 4 && resumption?.validator.ifRange == "\"abc\"")
                try file.begin(at: 4, validator: tag)
                try file.append(Array("two".utf8))
                #expect(file.size == 7)
                _ = try file.finish()
            }
            #expect(try listTree(path) == ["d/a"])
            #expect(readText(path + "/d/a") == "one two")
        }
    }

    /// As if the process had been killed: nobody calls `keep`.
    @Test func whatAKilledRunLeftIsGoneOnWith() throws {
        try withScratchFolder { path in
            do {
                let storage = try Storage(path)
                let file = try partial(storage)
                try file.begin(at: 0, validator: tag)
                try file.append([1, 2, 3])
                let hopeless = try partial(storage, number: 6, name: "b")
                try hopeless.begin(at: 0, validator: nil)
                try hopeless.append([1, 2, 3])
            }
            #expect(try listFolder(path + "/.apus-partial") == ["5", "5.meta", "6"])
            try run(path) { storage in
                #expect(try listFolder(path + "/.apus-partial") == ["5", "5.meta"])
                #expect(try partial(storage, number: 6, name: "b").resumption() == nil)
                let file = try partial(storage)
                #expect(file.resumption()?.offset == 3)
                file.discard()
            }
            #expect(try listTree(path) == [])
        }
    }

    @Test func whatRunsAtTheSameTimeLeftIsTakenByTheItemThatItIsOf() throws {
        try withScratchFolder { path in
            do {
                let storages = try (0..<3).map { _ in try Storage(path) }
                for (index, storage) in storages.enumerated() {
                    let file = try partial(storage, name: "run\(index)")
                    try file.begin(at: 0, validator: tag)
                    try file.append([UInt8](repeating: 1, count: index + 1))
                }
                let hopeless = try partial(storages[1], number: 6, name: "b")
                try hopeless.begin(at: 0, validator: nil)
                // A run that still goes on keeps its own.
                let later = try Storage(path)
                #expect(try partial(later, name: "run2").resumption() == nil)
                later.close()
            }
            let folders = [".apus-partial", ".apus-partial-2", ".apus-partial-3"]
            #expect(try listFolder(path) == folders)
            try run(path) { storage in
                #expect(try listFolder(path + "/.apus-partial-2") == ["5", "5.meta"])
                #expect(storage.staging.mayHavePart(5) && !storage.staging.mayHavePart(6))
                let file = try partial(storage, name: "run2")
                #expect(file.resumption()?.offset == 3)
                try file.begin(at: 3, validator: tag)
                #expect(try file.finish() == "run2")
            }
            // What is of other items stays for them.
            #expect(try listTree(path) == [".apus-partial-2/5", ".apus-partial-2/5.meta", "run2"])
            try run(path) { storage in
                let file = try partial(storage, name: "run1")
                #expect(file.resumption()?.offset == 2)
                file.discard()
            }
            #expect(try listTree(path) == ["run2"])
            #expect(try listFolder(path) == ["run2"])
        }
    }

    @Test func aSecondAttemptOfTheSameRunGoesOn() throws {
        try withScratchFolder { path in
            try run(path) { storage in
                let first = try partial(storage)
                try first.begin(at: 0, validator: tag)
                try first.append([1, 2])
                first.keep()
                let second = try partial(storage)
                #expect(second.resumption()?.offset == 2)
                // The server sends the whole after all.
                try second.begin(at: 0, validator: PartialValidator(etag: "\"new\"", lastModified: nil, date: nil))
                try second.append([9])
                second.keep()
                let third = try partial(storage)
                #expect(third.resumption()?.offset == 1 && third.resumption()?.validator.ifRange == "\"new\"")
                third.discard()
            }
            #expect(try listTree(path) == [])
        }
    }

    /// The process may be killed at any moment: what was known of the first body must not stand beside the second.
    @Test func aBodyThatBeginsAnewIsNotTakenForTheOneBefore() throws {
        try withScratchFolder { path in
            do {
                let storage = try Storage(path)
                let file = try partial(storage)
                try file.begin(at: 0, validator: tag)
                try file.append([1, 2, 3])
                try file.begin(at: 0, validator: nil)
                try file.append([4])
            }
            try run(path) { storage in
                let resumption = try partial(storage).resumption()
                #expect(resumption == nil)
            }
            #expect(try listTree(path) == [])
        }
    }

    @Test func aPartOfSomethingElseIsNotGoneOnWith() throws {
        try withScratchFolder { path in
            try run(path) { storage in
                let file = try partial(storage)
                try file.begin(at: 0, validator: tag)
                try file.append([1, 2])
                file.keep()
                #expect(try partial(storage, url: "http://h/b").resumption() == nil)
                #expect(try partial(storage, url: "http://h/a?q=1").resumption() == nil)
                #expect(try partial(storage, name: "d/b").resumption() == nil)
                #expect(try partial(storage, number: 6).resumption() == nil)
                // Other credentials are the same resource.
                #expect(try partial(storage, url: "http://u:p@h/a").resumption()?.offset == 2)
                // A small body with the same number.
                #expect(try storage.store([7], at: StoragePath(names: ["c"]), number: 5) == "c")
                #expect(try partial(storage).resumption() == nil)
            }
            #expect(try listTree(path) == ["c"])
        }
    }

    @Test func nothingIsKeptOfWhatCannotBeAskedForInParts() throws {
        try withScratchFolder { path in
            try run(path) { storage in
                let file = try partial(storage)
                try file.begin(at: 0, validator: nil)
                try file.append([1, 2])
                file.keep()
                #expect(file.resumption() == nil)
                let empty = try partial(storage, number: 6)
                try empty.begin(at: 0, validator: tag)
                empty.keep()
                let never = try partial(storage, number: 7)
                never.keep()
            }
            #expect(try listTree(path) == [])
        }
    }

    /// Cut anywhere, or with a byte that is another one: then the body begins anew.
    @Test func damageBesideAPartIsNoticed() throws {
        let validator = try #require(tag)
        let meta = validator.meta(identity: 42)
        #expect(PartialValidator(meta: meta, identity: 42) == validator)
        #expect(PartialValidator(meta: meta, identity: 43) == nil)
        for end in 0..<meta.utf8.count {
            #expect(
                PartialValidator(meta: String(decoding: Array(meta.utf8)[..<end], as: UTF8.self), identity: 42) == nil
            )
            var bytes = Array(meta.utf8)
            bytes[end] ^= 1
            #expect(PartialValidator(meta: String(decoding: bytes, as: UTF8.self), identity: 42) == nil)
        }
    }

    @Test func onlyStrongValidatorsCount() {
        let date = "Sun, 06 Nov 1994 08:49:37 GMT"
        let later = "Sun, 06 Nov 1994 08:49:38 GMT"
        func value(_ etag: String?, _ modified: String?, _ now: String?) -> String? {
            PartialValidator(etag: etag, lastModified: modified, date: now)?.ifRange
        }
        #expect(value("\"x\"", nil, nil) == "\"x\"")
        #expect(value("\"x\"", date, later) == "\"x\"")
        #expect(value("W/\"x\"", date, later) == nil)
        #expect(value("x", nil, nil) == nil)
        #expect(value("\"x\n\"", nil, nil) == nil)
        #expect(value("\"" + String(repeating: "x", count: 5_000) + "\"", nil, nil) == nil)
        #expect(value(nil, date, later) == date)
        #expect(value(nil, date, date) == nil)
        #expect(value(nil, date, nil) == nil)
        #expect(value(nil, "yesterday", later) == nil)
        #expect(value(nil, nil, later) == nil)
    }

    @Test func aPartOfAnotherBodyIsNoticed() {
        let date = "Sun, 06 Nov 1994 08:49:37 GMT"
        #expect(tag?.disagrees(etag: "\"abc\"", lastModified: date) == false)
        #expect(tag?.disagrees(etag: nil, lastModified: date) == false)
        #expect(tag?.disagrees(etag: "\"abd\"", lastModified: date) == true)
        #expect(tag?.disagrees(etag: "W/\"abc\"", lastModified: nil) == true)
        #expect(PartialValidator.lastModified(date).disagrees(etag: "\"abc\"", lastModified: date) == false)
        #expect(PartialValidator.lastModified(date).disagrees(etag: nil, lastModified: "x") == true)
    }

    @Test func lessThanWasToldIsAnError() throws {
        try withScratchFolder { path in
            try run(path) { storage in
                let file = try partial(storage)
                try file.begin(at: 0, validator: tag)
                try file.append([1, 2])
                file.keep()
                let second = try partial(storage)
                #expect(throws: StorageError.self) { try second.begin(at: 3, validator: tag) }
                second.discard()
                #expect(throws: StorageError.self) { try second.finish() }
            }
        }
    }
}
