import Apus
import Glibc
import Testing

@testable import ApusCLI

@Suite struct URLSourceTests {
    /// What a source gives whose list has this content: URLs as they are, bad lines as `! place`.
    private func targets(_ arguments: [String], list: [UInt8]? = nil) async throws -> [String] {
        try await withScratchFolder { folder in
            try await targets(arguments, list: list, path: folder + "/list")
        }
    }

    private func targets(_ arguments: [String], list: [UInt8]?, path: String) async throws -> [String] {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
        try Output.writeAll(list ?? [], to: descriptor)
        close(descriptor)
        var source = URLSource(arguments: arguments, list: list == nil ? nil : try URLList(path: path))
        var result: [String] = []
        while let target = try await source.next() {
            switch target {
            case .url(let uri): result.append(uri.description)
            case .invalid(let place, _): result.append("! " + (place.split(separator: "/").last?.suffix(12) ?? ""))
            }
        }
        // The list's name is random: only the number of the line is of interest.
        return result.map {
            $0.hasPrefix("! ") && $0.contains(":") ? "! line " + ($0.split(separator: ":").last ?? "") : $0
        }
    }

    @Test func argumentsComeFirst() async throws {
        let found = try await targets(["http://a/", "nonsense", "http://b/"], list: Array("http://c/\n".utf8))
        #expect(found == ["http://a/", "! argument-2", "http://b/", "http://c/"])
    }

    @Test func commentsAndEmptyLinesAreSkipped() async throws {
        let text = "\u{FEFF}# list\n\n  http://a/  \r\n\t\n#http://b/\nnonsense\nhttp://c/"
        #expect(try await targets([], list: Array(text.utf8)) == ["http://a/", "! line 6", "http://c/"])
    }

    @Test func anEmptyListIsEmpty() async throws {
        #expect(try await targets([], list: []) == [])
        #expect(try await targets([], list: Array("\n\n".utf8)) == [])
    }

    /// Pieces end anywhere: lines of odd lengths over several pieces arrive whole.
    @Test func longListsArriveWhole() async throws {
        let urls = (0..<20_000).map { "http://h/\($0)\(String(repeating: "x", count: $0 % 97))" }
        #expect(try await targets([], list: Array(urls.joined(separator: "\n").utf8)) == urls)
    }

    @Test func aLineWithoutEndIsSkipped() async throws {
        let long = [UInt8](repeating: UInt8(ascii: "x"), count: 300_000)
        let list = Array("http://a/\n".utf8) + long + Array("\nhttp://b/\n".utf8)
        #expect(try await targets([], list: list) == ["http://a/", "! line 2", "http://b/"])
        #expect(try await targets([], list: long) == ["! line 1"])
    }

    @Test(arguments: [
        "user:canary@example.com/x", "canary@example.com", "canary@http://h/", "example.com/?canary", "localhost:8080",
        "user:canary@h/?next=http://h/", "http:canary@h", "",
    ])
    func aForgottenSchemeIsSaidAndNothingSecret(text: String) async throws {
        var source = URLSource(arguments: [text], list: nil)
        let expected = URLSource.Target.invalid(place: "argument-1", reason: "a URL begins with http:// or https://")
        #expect(try await source.next() == expected)
    }

    @Test(arguments: ["http://user:canary@/?canary", "http://canary@b@c/", "http://canary@h:0x/?canary"])
    func reasonsHoldNothingSecret(text: String) async throws {
        var source = URLSource(arguments: [text], list: nil)
        let target = try await source.next()
        guard case .invalid = target else {
            Issue.record("\(text) is no URL")
            return
        }
        #expect(!"\(String(describing: target))".contains("canary"))
    }

    @Test func anythingElseIsNoText() async throws {
        #expect(try await targets([], list: [0xFF, 0xFE, 0x00, 0x0A, 0x80]) == ["! line 1", "! line 2"])
    }

    @Test func aListThatCannotBeReadIsSaid() {
        #expect(throws: URLListError.self) { try URLList(path: "/no/such/file") }
        #expect(throws: URLListError.self) { try URLList(path: "/") }
    }
}
