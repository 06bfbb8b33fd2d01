import Apus
import Glibc
import Testing

@testable import ApusCLI

@Suite struct StorageTests {
    /// A folder that is gone afterwards, and `out` in it.
    private func withStorage(_ body: (_ path: String, Storage) throws -> Void) throws {
        try withScratchFolder { path in
            let storage = try Storage(path + "/out")
            try body(path, storage)
            storage.close()
        }
    }

    @discardableResult
    private func store(_ text: String, _ name: String, in storage: Storage, number: Int = 1) throws -> String {
        try storage.store(Array(text.utf8), at: try StoragePath(output: name), number: number)
    }

    @Test func aFileHasItsNameAndNothingElseStays() throws {
        try withScratchFolder { path in
            let storage = try Storage(path + "/new/out")
            #expect(try store("one", "a/b/c", in: storage) == "a/b/c")
            #expect(readText(path + "/new/out/a/b/c") == "one")
            #expect(permissions(path + "/new/out/.apus-partial") == 0o700)
            storage.close()
            #expect(try listTree(path + "/new/out") == ["a/b/c"])
        }
    }

    @Test func theTimeIsTheOneThatWasGiven() throws {
        try withStorage { path, storage in
            _ = try storage.store([1], at: StoragePath(names: ["a"]), number: 1, modified: 784_111_777)
            #expect(modified(path + "/out/a") == 784_111_777)
            #expect(try storage.existing(at: StoragePath(names: ["a"])) == .init(size: 1, modified: 784_111_777))
        }
    }

    @Test func aFileIsReplaced() throws {
        try withStorage { path, storage in
            try store("old and long", "b", in: storage)
            try store("new", "b", in: storage)
            #expect(readText(path + "/out/b") == "new")
        }
    }

    @Test func aFileMovesWhereAFolderIsNeeded() throws {
        try withStorage { path, storage in
            try store("file", "h/a", in: storage)
            #expect(try store("below", "h/a/b", in: storage) == "h/a/b")
            #expect(readText(path + "/out/h/a.file") == "file")
            #expect(readText(path + "/out/h/a/b") == "below")
        }
    }

    @Test func aFileThatWouldReplaceAnotherOneDoesNotMove() throws {
        try withStorage { path, storage in
            try store("file", "a", in: storage)
            try store("other", "a.file", in: storage)
            #expect(throws: StorageError.self) { try store("below", "a/b", in: storage) }
            #expect(readText(path + "/out/a") == "file")
            #expect(readText(path + "/out/a.file") == "other")
            #expect(try listTree(path + "/out") == ["a", "a.file"])
        }
    }

    /// Killed between the move and the making of the folder, and fetched again.
    @Test func aBodyThatAKilledRunHadMovedIsReplacedByItsSuccessor() throws {
        try withScratchFolder { path in
            let first = try Storage(path + "/out")
            try store("old", "a.file", in: first)
            try store("another list's", "b.file", in: first)
            try store("another list's too", "b", in: first)
            first.close()
            // Files are stamped by a clock that ticks every few milliseconds.
            let end = FileTime.now()
            while FileTime.now() == end { sched_yield() }
            let second = try Storage(path + "/out")
            try store("new", "a", in: second)
            #expect(try store("below", "a/b", in: second) == "a/b")
            #expect(readText(path + "/out/a.file") == "new")
            // What this run has not stored replaces nothing.
            #expect(throws: StorageError.self) { try store("below", "b/c", in: second) }
            #expect(readText(path + "/out/b.file") == "another list's")
            #expect(readText(path + "/out/b") == "another list's too")
            second.close()
        }
    }

    /// A move is a second link and the end of the first, and a run may be killed in between.
    @Test func aMoveThatWasBrokenOffIsFinished() throws {
        try withStorage { path, storage in
            try store("file", "a", in: storage)
            #expect(link(path + "/out/a", path + "/out/a.file") == 0)
            #expect(try store("below", "a/b", in: storage) == "a/b")
            #expect(readText(path + "/out/a.file") == "file")
            #expect(try listTree(path + "/out") == ["a.file", "a/b"])
        }
    }

    @Test func aFileInAFoldersPlaceGetsAnEnding() throws {
        try withStorage { path, storage in
            try store("below", "a/b", in: storage)
            #expect(try store("file", "a", in: storage) == "a.file")
            #expect(readText(path + "/out/a.file") == "file")
            #expect(try storage.existing(at: StoragePath(names: ["a"]))?.size == 4)
            #expect(readText(path + "/out/a/b") == "below")
        }
    }

    @Test func whatIsNotThereDoesNotExistAndIsNotMade() throws {
        try withStorage { path, storage in
            #expect(try storage.existing(at: StoragePath(names: ["a"])) == nil)
            #expect(try storage.existing(at: StoragePath(names: ["x", "y", "a"])) == nil)
            try store("file", "f", in: storage)
            #expect(try storage.existing(at: StoragePath(names: ["f", "a"])) == nil)
            #expect(try listFolder(path + "/out") == [".apus-partial", "f"])
        }
    }

    // MARK: - Nothing outside

    @Test func linksAreNotFollowed() throws {
        try withStorage { path, storage in
            mkdir(path + "/elsewhere", 0o700)
            try writeFile(path + "/elsewhere/target", Array("kept".utf8))
            symlink(path + "/elsewhere", path + "/out/absolute")
            symlink("../elsewhere", path + "/out/relative")
            symlink(".", path + "/out/here")
            for name in ["absolute/b", "relative/b", "here/b", "absolute/c/b"] {
                #expect(throws: StorageError.self) { try store("x", name, in: storage) }
                #expect((try? storage.existing(at: StoragePath(output: name))) == nil)
            }
            // A link in the file's place is replaced, not written through.
            symlink(path + "/elsewhere/target", path + "/out/b")
            try store("x", "b", in: storage)
            #expect(readText(path + "/out/b") == "x")
            #expect(readText(path + "/elsewhere/target") == "kept")
            #expect(try listFolder(path + "/elsewhere") == ["target"])
        }
    }

    @Test func ourOwnFolderIsNoLink() throws {
        try withScratchFolder { path in
            mkdir(path + "/out", 0o700)
            mkdir(path + "/elsewhere", 0o700)
            symlink("../elsewhere", path + "/out/.apus-partial")
            #expect(throws: StorageError.self) { try Storage(path + "/out") }
            let found = try listFolder(path + "/elsewhere")
            #expect(found.isEmpty)
        }
    }

    /// Opening a FIFO would hang, and a device is none of ours.
    @Test func whatIsNoFileIsReplacedAndNeverOpened() throws {
        try withStorage { path, storage in
            mkfifo(path + "/out/fifo", 0o600)
            try store("x", "fifo", in: storage)
            #expect(readText(path + "/out/fifo") == "x")
            mkfifo(path + "/out/way", 0o600)
            #expect(throws: StorageError.self) { try store("x", "way/y", in: storage) }
        }
    }

    /// Folders, links and files of all kinds in the way: whatever is asked for, nothing is made or changed outside.
    @Test func nothingIsEverStoredOutside() throws {
        try withStorage { path, storage in
            mkdir(path + "/elsewhere", 0o700)
            mkdir(path + "/elsewhere/d", 0o700)
            try writeFile(path + "/elsewhere/f", Array("kept".utf8))
            mkdir(path + "/out/d", 0o700)
            symlink(path + "/elsewhere", path + "/out/up")
            symlink("../../elsewhere", path + "/out/d/up")
            symlink("..", path + "/out/d/dots")
            symlink("../elsewhere/f", path + "/out/link")
            try writeFile(path + "/out/f", [])
            let pieces = ["..", ".", "/", "/", "up", "d", "f", "link", "dots", "x", "%2e%2e", "\0", "\\", "~", "@"]
            var stored = 0
            for number in 1...1_000 {
                let text = (0..<Int.random(in: 1...7)).map { _ in pieces.randomElement() ?? "" }.joined()
                let path: StoragePath? =
                    switch number % 3 {
                    case 0: try? StoragePath(output: text)
                    case 1: StoragePath(host: Bool.random() ? "d" : nil, path: "/" + text, query: nil)
                    default: StoragePath(host: text, path: "/" + text, query: text)
                    }
                if let path, (try? storage.store([1], at: path, number: number)) != nil { stored += 1 }
            }
            #expect(stored > 30)
            #expect(try listTree(path + "/elsewhere") == ["f"])
            #expect(try listFolder(path + "/elsewhere") == ["d", "f"])
            #expect(readText(path + "/elsewhere/f") == "kept")
            #expect(try listFolder(path) == ["elsewhere", "out"])
        }
    }

    // MARK: - Trouble

    @Test func aFullDiskIsSaidAndLeavesNothing() throws {
        try withStorage { path, storage in
            var old = rlimit()
            getrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &old)
            var new = old
            new.rlim_cur = 1_000
            let handler = signal(SIGXFSZ, SIG_IGN)
            setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &new)
            defer {
                setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &old)
                signal(SIGXFSZ, handler)
            }
            let error = #expect(throws: StorageError.self) {
                try storage.store([UInt8](repeating: 1, count: 2_000), at: StoragePath(names: ["a"]), number: 1)
            }
            #expect(error?.description == "cannot write a: File too large")
            #expect(try listTree(path + "/out") == [])
            try store("fits", "b", in: storage)
        }
    }

    @Test func theLongestNamesFit() throws {
        try withStorage { path, storage in
            let long = StoragePath.safe(String(repeating: "x", count: 4_000))
            var names = StorageNames(tree: true)
            for number in [9_999_998, 9_999_999] {
                let url = "http://h/\(long)" + (number == 9_999_998 ? "/below" : "")
                let item = FetchItem(number: number, place: "", uri: try URI(url))
                _ = try storage.store([1], at: try names.assign(item).get(), number: number)
            }
            #expect(try listTree(path + "/out/h") == ["\(long).file", "\(long)/below"])
        }
    }

    @Test func aFolderThatIsRemovedMeanwhileIsMadeAgain() throws {
        try withStorage { path, storage in
            try store("one", "a/b/c", in: storage)
            unlink(path + "/out/a/b/c")
            rmdir(path + "/out/a/b")
            try store("two", "a/b/c", in: storage)
            #expect(readText(path + "/out/a/b/c") == "two")
        }
    }

    @Test func onlyAFewFoldersAreKeptOpen() throws {
        try withStorage { path, storage in
            func descriptors() throws -> Int { try listFolder("/proc/self/fd").count }
            let before = try descriptors()
            for number in 1...200 { try store("x", "d\(number)/e/f", in: storage, number: number) }
            #expect(try descriptors() <= before + FolderCache.limit + 8)
            #expect(try listTree(path + "/out").count == 200)
        }
    }

    @Test func aFolderThatCannotBeUsedIsSaid() {
        #expect(throws: StorageError.self) { try Storage("/proc/apus-test") }
        #expect(throws: StorageError.self) { try Storage("/dev/null/x") }
    }

    @Test func twoRunsInOneFolderDoNotMeet() throws {
        try withScratchFolder { path in
            let first = try Storage(path)
            let second = try Storage(path)
            let one = first.partial(at: StoragePath(names: ["a"]), number: 1, uri: try URI("http://h/"))
            let two = second.partial(at: StoragePath(names: ["b"]), number: 1, uri: try URI("http://h/"))
            try one.begin(at: 0, validator: nil)
            try two.begin(at: 0, validator: nil)
            try one.append([1])
            try two.append([2])
            _ = try one.finish()
            _ = try two.finish()
            second.close()
            first.close()
            #expect(try listFolder(path) == ["a", "b"])
            #expect(readFile(path + "/a") == [1])
            #expect(readFile(path + "/b") == [2])
        }
    }
}
