import Apus
import Glibc
import Testing

@testable import ApusCLI

@Suite struct StoredFileTests {
    /// A folder that is gone afterwards.
    private func withFolder(_ body: (_ path: String, StorageFolder) throws -> Void) throws {
        try withScratchFolder { path in try body(path, StorageFolder(path + "/out")) }
    }

    /// What is in a folder, by name; throws if it is none (a symbolic link is none).
    private func list(_ path: String) throws -> [String] {
        struct NoFolder: Error {}
        let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
        guard descriptor >= 0, let folder = fdopendir(descriptor) else { throw NoFolder() }
        defer { closedir(folder) }
        var names: [String] = []
        while let entry = readdir(folder) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    private func read(_ path: String) -> String? {
        let descriptor = open(path, O_RDONLY)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var buffer = [UInt8](repeating: 0, count: 4_096)
        let count = Glibc.read(descriptor, &buffer, buffer.count)
        return String(decoding: buffer.prefix(max(0, count)), as: UTF8.self)
    }

    private func store(_ text: String, _ url: String, in folder: StorageFolder) throws {
        let file = StoredFile(in: folder, at: StoragePath(try URI(url)))
        defer { file.discard() }
        try file.write(Array(text.utf8))
        try file.finish()
    }

    @Test func aFileHasItsNameOnlyWhenItIsComplete() throws {
        try withFolder { path, folder in
            let file = StoredFile(in: folder, at: StoragePath(try URI("http://h/a/b")))
            try file.write(Array("one ".utf8))
            let before = try list("\(path)/out/h_80/a")
            #expect(!before.contains("b") && before.count == 1)
            try file.write(Array("two".utf8))
            try file.finish()
            #expect(try list("\(path)/out/h_80/a") == ["b"])
            #expect(read("\(path)/out/h_80/a/b") == "one two")
        }
    }

    @Test func whatIsDiscardedLeavesNothing() throws {
        try withFolder { path, folder in
            let file = StoredFile(in: folder, at: StoragePath(try URI("http://h/b")))
            try file.write([1, 2, 3])
            file.discard()
            file.discard()
            try file.write([4])
            try file.finish()
            #expect(try list("\(path)/out/h_80") == [])
        }
    }

    @Test func nothingIsRemovedThatThisFileHasNotMade() throws {
        try withFolder { path, folder in
            let first = StoredFile(in: folder, at: StoragePath(try URI("http://h/b")))
            let second = StoredFile(in: folder, at: StoragePath(try URI("http://h/b")))
            try first.write([1])
            try second.write([2])
            #expect(try list("\(path)/out/h_80").count == 2)
            second.discard()
            #expect(try list("\(path)/out/h_80").count == 1)
            try first.finish()
            #expect(try list("\(path)/out/h_80") == ["b"])
        }
    }

    @Test func aSlashAtTheEndAndIndexHTMLAreTwoFiles() throws {
        try withFolder { path, folder in
            try store("slash", "http://h/a/", in: folder)
            try store("index", "http://h/a/index.html", in: folder)
            #expect(read("\(path)/out/h_80/a/%index") == "slash")
            #expect(read("\(path)/out/h_80/a/index.html") == "index")
        }
    }

    @Test func aFileIsReplaced() throws {
        try withFolder { path, folder in
            try store("old", "http://h/b", in: folder)
            try store("new", "http://h/b", in: folder)
            #expect(read("\(path)/out/h_80/b") == "new")
        }
    }

    @Test func aFolderWhereAFileIs() throws {
        try withFolder { path, folder in
            try store("file", "http://h/a", in: folder)
            try store("below", "http://h/a/b", in: folder)
            #expect(read("\(path)/out/h_80/a") == "file")
            #expect(read("\(path)/out/h_80/a%dir/b") == "below")
        }
    }

    @Test func aFileWhereAFolderIs() throws {
        try withFolder { path, folder in
            try store("below", "http://h/a/b", in: folder)
            try store("file", "http://h/a", in: folder)
            #expect(read("\(path)/out/h_80/a%file") == "file")
            #expect(read("\(path)/out/h_80/a/b") == "below")
        }
    }

    @Test func linksAreNotFollowed() throws {
        try withFolder { path, folder in
            mkdir("\(path)/elsewhere", 0o700)
            symlink("\(path)/elsewhere", "\(path)/out/h_80")
            #expect(throws: StorageError.self) { try store("x", "http://h/b", in: folder) }
            #expect(try list("\(path)/elsewhere") == [])
            // A link in the file's place is replaced, not written through.
            mkdir("\(path)/out/h_81", 0o700)
            symlink("\(path)/elsewhere/target", "\(path)/out/h_81/b")
            try store("x", "http://h:81/b", in: folder)
            #expect(try list("\(path)/elsewhere") == [])
            #expect(read("\(path)/out/h_81/b") == "x")
        }
    }

    @Test func theLongestNamesFit() throws {
        try withFolder { path, folder in
            let long = String(repeating: "x", count: 4_000)
            try store("file", "http://h/\(long)", in: folder)
            try store("below", "http://h/\(long)/a?\(long)", in: folder)
            #expect(try list("\(path)/out/h_80").count == 2)
        }
    }

    @Test func aFolderThatCannotBeUsedIsSaid() {
        #expect(throws: StorageError.self) { try StorageFolder("/proc/apus-test") }
        #expect(throws: StorageError.self) { try StorageFolder("/dev/null/x") }
    }
}
