import Apus
import Testing

@testable import ApusCLI

@Suite struct StorageNamesTests {
    /// The names of these URLs; `=name` is the `output` of a line of JSON.
    private func assigned(_ texts: [String], tree: Bool = true, from first: Int = 1) throws -> [String] {
        var names = StorageNames(tree: tree)
        return try texts.enumerated().map { index, text in
            let item = FetchItem(
                number: first + index,
                place: "",
                uri: try URI(text.hasPrefix("=") ? "http://h/" : text),
                output: text.hasPrefix("=") ? String(text.dropFirst()) : nil
            )
            return try names.assign(item).get().text
        }
    }

    @Test func aNameThatIsTakenGetsTheNumber() throws {
        let found = try assigned(["http://a/x", "http://b/x", "http://a/x", "=x"], tree: false, from: 7)
        #expect(found == ["x", "x-8", "x-9", "x-10"])
    }

    @Test func theNumberGoesOnUntilTheNameIsFree() throws {
        #expect(try assigned(["=x-3", "=x", "=x"]) == ["x-3", "x", "x-3-3"])
    }

    @Test func aNameAndThatWithTheEndingAreOne() throws {
        #expect(try assigned(["=a", "=a.file"]) == ["a", "a.file-2"])
        #expect(try assigned(["=a.file", "=a"]) == ["a.file", "a-2"])
        #expect(try assigned(["=d/a", "=a.file", "=d/a.file"]) == ["d/a", "a.file", "d/a.file-3"])
    }

    @Test func aFileWhoseNameIsAFoldersIsAFile() throws {
        #expect(try assigned(["http://h/a/b", "http://h/a", "http://h/a"]) == ["h/a/b", "h/a.file", "h/a.file-3"])
    }

    /// The file makes room when the folder is made, and has the name `a.file` from then on.
    @Test func aFileMakesRoomForAFolder() throws {
        #expect(
            try assigned(["http://h/a", "http://h/a/b", "http://h/a", "=h/a.file"])
                == ["h/a", "h/a/b", "h/a.file-3", "h/a.file-4"]
        )
    }

    @Test func aFileThatCannotMakeRoomStays() throws {
        #expect(
            try assigned(["http://h/a.file/x", "http://h/a", "http://h/a/b", "http://h/a/c"])
                == ["h/a.file/x", "h/a", "h/a-3/b", "h/a-4/c"]
        )
    }

    @Test func aFileNeverHasTheNameOfAFolder() throws {
        #expect(try assigned(["=a.file/x", "=a/x", "=a"]) == ["a.file/x", "a/x", "a.file-3"])
    }

    @Test func refusedOutputsTakeNoName() throws {
        var names = StorageNames(tree: false)
        let refused = FetchItem(number: 1, place: "", uri: try URI("http://h/x"), output: "../x")
        #expect(throws: StorageError.self) { try names.assign(refused).get() }
        #expect(try names.assign(FetchItem(number: 1, place: "", uri: try URI("http://h/x"))).get().text == "x")
    }

    /// No two items share a name, no file is a folder, and a second run gives the same.
    @Test(arguments: [true, false])
    func namesAreUniqueAndTheSameAgain(tree: Bool) throws {
        let segments = ["a", "b", "a.file", "b-3", "", "c?q", "index.html"]
        let urls = (0..<3_000).map { _ in
            "http://h\(Int.random(in: 0...1))/"
                + (0..<Int.random(in: 0...4)).map { _ in segments.randomElement() ?? "" }.joined(separator: "/")
        }
        let names = try assigned(urls, tree: tree)
        #expect(Set(names).count == urls.count)
        #expect(try assigned(urls, tree: tree) == names)
        // Where a file makes room for a folder, it has moved: what is wrong is two files in one place, or a file in a folder's.
        var folders: Set<String> = []
        var files: Set<String> = []
        for name in names {
            var folder = ""
            for part in name.split(separator: "/").dropLast() {
                folder += folder.isEmpty ? "\(part)" : "/\(part)"
                guard folders.insert(folder).inserted, files.remove(folder) != nil else { continue }
                #expect(files.insert(folder + ".file").inserted)
            }
            #expect(!folders.contains(name))
            #expect(files.insert(name).inserted)
        }
    }

    @Test func manyNamesAreToldApart() throws {
        var names = StorageNames(tree: false)
        var suffixed = 0
        for number in 1...50_000 {
            let item = FetchItem(number: number, place: "", uri: try URI("http://h/file\(number)"))
            if try names.assign(item).get().text != "file\(number)" { suffixed += 1 }
        }
        #expect(suffixed == 0)
    }
}
