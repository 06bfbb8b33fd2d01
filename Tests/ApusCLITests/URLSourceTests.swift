import Apus
import Glibc
import HTTPTypes
import Testing

@testable import ApusCLI

@Suite struct URLSourceTests {
    /// What a source gives whose list has this content.
    private func elements(
        _ arguments: [String],
        list: [UInt8]? = nil,
        expandsRanges: Bool = true
    ) async throws -> [URLSource.Element] {
        try await withScratchFolder { folder in
            let path = folder + "/list"
            try writeFile(path, list ?? [])
            var source = URLSource(
                arguments: arguments,
                list: list == nil ? nil : try InputFile(path: path),
                expandsRanges: expandsRanges
            )
            var result: [URLSource.Element] = []
            while let element = try await source.next() { result.append(element) }
            return result
        }
    }

    /// Numbers and URLs; of what is invalid the number, `!` and the place without the list's folder.
    private func brief(_ elements: [URLSource.Element]) -> [String] {
        elements.map { element in
            switch element {
            case .item(let item): "\(item.number) \(item.uri)"
            case .invalid(let number, let place, _): "\(number) ! \(place.split(separator: "/").last ?? "")"
            }
        }
    }

    private func brief(_ arguments: [String], list: String? = nil) async throws -> [String] {
        brief(try await elements(arguments, list: list.map { Array($0.utf8) }))
    }

    private func reason(_ text: String, list: Bool = false) async throws -> String? {
        let found = try await elements(list ? [] : [text], list: list ? Array(text.utf8) : nil)
        guard case .invalid(_, _, let reason) = found.first else { return nil }
        return reason
    }

    // MARK: - Numbers

    @Test func argumentsComeFirstAndNumbersGoOn() async throws {
        let found = try await brief(["http://a/", "nonsense", "http://b/"], list: "http://c/\n")
        #expect(found == ["1 http://a/", "2 ! argument-2", "3 http://b/", "4 http://c/"])
    }

    @Test func emptyLinesAndCommentsTakeNumbers() async throws {
        let text = "\u{FEFF}# list\n\n  http://a/  \r\n\t\n#http://b/\nnonsense\nhttp://c/"
        #expect(try await brief([], list: text) == ["3 http://a/", "6 ! list:6", "7 http://c/"])
    }

    @Test func aRangeTakesAsManyNumbersAsItHasMembers() async throws {
        let found = try await brief(["http://h/{1..3}"], list: "http://a/{x,y}\n\nhttp://b/{0..9\nhttp://c/\n")
        #expect(
            found == [
                "1 http://h/1", "2 http://h/2", "3 http://h/3", "4 http://a/x", "5 http://a/y", "7 ! list:3",
                "8 http://c/",
            ]
        )
    }

    @Test func duplicatesAreItemsOfTheirOwn() async throws {
        #expect(try await brief([], list: "http://a/\nhttp://a/\n") == ["1 http://a/", "2 http://a/"])
    }

    @Test func anEmptyListIsEmpty() async throws {
        #expect(try await brief([], list: "") == [])
        #expect(try await brief([], list: "\n\n") == [])
        #expect(try await brief([]) == [])
    }

    // MARK: - Lines

    /// Pieces end anywhere: lines of odd lengths over several pieces arrive whole.
    @Test func longListsArriveWhole() async throws {
        let urls = (0..<20_000).map { "http://h/\($0)\(String(repeating: "x", count: $0 % 97))" }
        let found = try await brief([], list: urls.joined(separator: "\n"))
        #expect(found == urls.enumerated().map { "\($0.offset + 1) \($0.element)" })
    }

    @Test func aLineOfMoreThanAMegabyteIsSaidOnceAndTheNextOnesArrive() async throws {
        let long = String(repeating: "x", count: 3_000_000)
        let found = try await elements([], list: Array("http://a/\n\(long)\nhttp://b/\n".utf8))
        #expect(brief(found) == ["1 http://a/", "2 ! list:2", "3 http://b/"])
        #expect(try await reason(long, list: true) == "the line has more than 1048576 bytes")
    }

    @Test func aURLOfAMegabyteIsTooLong() async throws {
        let found = try #require(try await reason("http://h/" + String(repeating: "x", count: 1_000_000), list: true))
        #expect(found.contains("65536"))
    }

    @Test func whatIsNotUTF8IsSaid() async throws {
        let found = try await elements(
            [],
            list: Array("http://h/\u{E9}\n".utf8) + [0x68, 0xFF, 0x0A] + Array("http://b/".utf8)
        )
        #expect(brief(found) == ["1 http://h/%C3%A9", "2 ! list:2", "3 http://b/"])
        guard case .invalid(_, _, let reason) = found[1] else { return }
        #expect(reason == "the line is not UTF-8")
        let utf16 = try await elements([], list: [0xFF, 0xFE, 0x68, 0x00, 0x0A, 0x00, 0x80])
        #expect(brief(utf16) == ["1 ! list:1", "2 ! list:2"])
    }

    @Test func controlCharactersAreInvalid() async throws {
        #expect(try await brief([], list: "http://h/a\0b\nhttp://h/a\u{1B}[2J\n") == ["1 ! list:1", "2 ! list:2"])
    }

    // MARK: - URLs

    @Test(arguments: [
        "user:canary@example.com/x", "canary@example.com", "canary@http://h/", "example.com/?canary", "localhost:8080",
        "user:canary@h/?next=http://h/", "http:canary@h", "", "://canary",
    ])
    func aForgottenSchemeIsSaidAndNothingSecret(text: String) async throws {
        var source = URLSource(arguments: [text])
        let expected = URLSource.Element.invalid(
            number: 1,
            place: "argument-1",
            reason: "a URL begins with http:// or https://"
        )
        #expect(try await source.next() == expected)
    }

    @Test(arguments: [
        "ftp://canary@h/", "file:///canary", "ws://h/?canary", "http+unix://%2Fcanary/", "gopher://h/canary",
    ])
    func otherSchemesAreNotSupported(text: String) async throws {
        let found = try #require(try await reason(text))
        #expect(found.hasSuffix("is not supported: a URL begins with http:// or https://"))
        #expect(!found.contains("canary"))
    }

    @Test(arguments: [
        "http://user:canary@/?canary", "http://canary@b@c/", "http://canary@h:0x/?canary", "http://h/{canary",
        "http://h/{canary}", "http://h/{1..canary}", "http://h/{1..2..canary}",
    ])
    func reasonsHoldNothingSecret(text: String) async throws {
        let found = try #require(try await reason(text))
        #expect(!found.contains("canary"))
    }

    @Test func bracesMeanThemselvesIfAskedTo() async throws {
        let found = try await elements(["http://h/{a,b}{"], expandsRanges: false)
        #expect(brief(found) == ["1 http://h/%7Ba,b%7D%7B"])
    }

    // MARK: - JSON

    @Test func aLineOfJSONSaysHow() async throws {
        let line =
            #"{"url":"http://h/{1}","method":"PUT","headers":{"X-B":["1","2"],"X-A":"ä"},"body":"é","output":"a/b"}"#
        let found = try await elements([], list: Array((line + "\nhttp://b/\n").utf8))
        guard case .item(let item) = found.first else {
            Issue.record("no item")
            return
        }
        #expect(item.number == 1 && item.place.description.hasSuffix("list:1"))
        #expect(item.uri.description == "http://h/%7B1%7D")
        #expect(item.method == .put)
        #expect(item.headers?.map { "\($0.name): \($0.value)" } == ["X-A: ä", "X-B: 1", "X-B: 2"])
        #expect(item.body == Array("é".utf8))
        #expect(item.output == "a/b")
        #expect(brief(found).last == "2 http://b/")
    }

    @Test func whatALineOfJSONDoesNotSayIsNil() async throws {
        let found = try await elements([], list: Array(#"{"url":"http://h/","method":null}"#.utf8))
        guard case .item(let item) = found.first else {
            Issue.record("no item")
            return
        }
        #expect(item.method == nil && item.headers == nil && item.body == nil && item.output == nil)
    }

    @Test func aLineOfJSONMayHaveABodyOfHalfAMegabyte() async throws {
        let body = String(repeating: "y", count: 500_000)
        let found = try await elements([], list: Array(#"{"url":"http://h/","body":"\#(body)"}"#.utf8))
        guard case .item(let item) = found.first else {
            Issue.record("no item")
            return
        }
        #expect(item.body?.count == 500_000)
    }

    @Test(arguments: [
        (#"{"url":"http://h/a","url":"http://h/b"}"#, "a key stands there more than once"),
        (#"{"url":"http://h/","headers":{"a":"1","a":"2"}}"#, "a key stands there more than once"),
        (#"{"url":"http://h/""#, "the line begins with { but is no JSON object"),
        (#"{}"#, "the key “url” is missing"),
        (#"{"url":1}"#, "“url” is no string"),
        (
            #"{"url":"http://h/","zeal":1,"urk":2}"#,
            "the key “urk” is unknown: there are url, method, headers, body and output"
        ),
        (#"{"url":"http://h/","method":"GET /"}"#, "“method” is no method of HTTP"),
        (#"{"url":"http://h/","method":"CONNECT"}"#, "the method CONNECT is for proxies"),
        (#"{"url":"http://h/","headers":[]}"#, "“headers” is no object of names and values"),
        (#"{"url":"http://h/","headers":{"A":1}}"#, "the header A is no string and no array of strings"),
        (#"{"url":"http://h/","headers":{"A B":"1"}}"#, "“A B” is no name of a header"),
        (
            #"{"url":"http://h/","headers":{"A":"1\r\nB: canary"}}"#,
            "the header A has a character that headers cannot have"
        ),
        (#"{"url":"http://h/","headers":{"A\nB":"1"}}"#, "“A\nB” is no name of a header"),
        (#"{"url":"http://h/","body":{}}"#, "“body” is no string"),
        (#"{"url":"canary"}"#, "a URL begins with http:// or https://"),
    ])
    func whatIsWrongWithALineOfJSONIsSaid(line: String, expected: String) async throws {
        #expect(try await reason(line, list: true) == expected)
        // And the next one is read.
        #expect(try await brief([], list: line + "\nhttp://b/").last == "2 http://b/")
    }

    @Test func aLineOfJSONThatIsCutAnywhereIsAnErrorOfThatLine() async throws {
        let line = Array(#"{"url":"http://h/","method":"PUT","headers":{"A":["ä"]},"body":"\u00e9","output":"a"}"#.utf8)
        let list = (1..<line.count).flatMap { line[..<$0] + [0x0A] } + line
        let found = try await elements([], list: Array(list))
        #expect(found.count == line.count)
        for element in found.dropLast() {
            guard case .invalid = element else {
                Issue.record("\(element)")
                continue
            }
        }
        guard case .item(let item) = found.last else {
            Issue.record("the whole line is one")
            return
        }
        #expect(item.number == line.count && item.output == "a")
    }

    /// Whatever there is: each line has one number, and the run goes on.
    @Test func nonsenseGivesNumbersInOrder() async throws {
        let pieces =
            [
                "http://h/", "{", "}", "\"url\":", "\"", "..", "1", "9", ",", "\r", "#", " ", "\u{FEFF}", "\0", "%",
                "é", ":", "//",
            ]
            .map { Array($0.utf8) } + [[0xFF], [0xC3]]
        var list: [UInt8] = []
        for _ in 0..<2_000 {
            for _ in 0..<Int.random(in: 0...8) { list += pieces.randomElement() ?? [] }
            list.append(0x0A)
        }
        list += Array("http://last/".utf8)
        let found = try await elements([], list: list)
        var last = 0
        for element in found {
            let number =
                switch element {
                case .item(let item): item.number
                case .invalid(let number, _, _): number
                }
            #expect(number > last)
            last = number
        }
        #expect(brief(found).last == "\(last) http://last/")
        #expect(last >= 2_001)
    }

    @Test func nestingWithoutEndIsAnError() async throws {
        let line = #"{"url":"# + String(repeating: "[", count: 200_000)
        #expect(try await reason(line, list: true) == "the line begins with { but is no JSON object")
    }

    // MARK: - Files

    @Test func aListThatCannotBeReadIsSaid() {
        #expect(throws: InputError.self) { try InputFile(path: "/no/such/file") }
        #expect(throws: InputError.self) { try InputFile(path: "/") }
    }

    /// What is there can be handed on before more of a pipe is waited for.
    @Test func aSourceSaysWhetherItHasToWait() async throws {
        try await withScratchFolder { folder in
            try writeFile(folder + "/list", Array("http://a/\n# nothing\n".utf8))
            var source = URLSource(arguments: ["http://b/{1,2}"], list: try InputFile(path: folder + "/list"))
            var seen: [String] = []
            while source.isReady, let element = try await source.next() { seen += brief([element]) }
            #expect(seen == ["1 http://b/1", "2 http://b/2"])
            let next = try await source.next()
            #expect(brief(next.map { [$0] } ?? []) == ["3 http://a/"])
            let waits = !source.isReady
            let end = try await source.next()
            let isOver = source.isReady
            #expect(waits && end == nil && isOver)
        }
    }

    @Test func howManyThereAreIsKnownOfArgumentsAndJudgedOfAFile() async throws {
        try await withScratchFolder { folder in
            var arguments = URLSource(arguments: ["http://a/{1..100}", "http://a/", "http://{"])
            #expect(arguments.total?.count == 102)
            for _ in 0..<50 { _ = try await arguments.next() }
            // Which looks ahead.
            let isReady = arguments.isReady
            #expect(isReady)
            #expect(arguments.total?.count == 102)
            #expect(arguments.total?.isExact == true)
            let lines = (0..<100_000).map { "http://a.example/\($0 % 10)\n# nothing\n" }.joined()
            try writeFile(folder + "/list", Array(lines.utf8))
            var source = URLSource(arguments: ["http://b/"], list: try InputFile(path: folder + "/list"))
            let before = source.total
            #expect(before == nil)
            for _ in 0..<20 { _ = try await source.next() }
            let judged = try #require(source.total)
            #expect(!judged.isExact)
            #expect((95_000...105_000).contains(judged.count))
            while try await source.next() != nil {}
            let known = try #require(source.total)
            #expect(known.isExact)
            #expect(known.count == 100_001)
        }
    }

    @Test func theIdentityChangesWithTheFile() throws {
        try withScratchFolder { folder in
            let path = folder + "/list"
            func identity(_ text: String, modified: Int) throws -> InputIdentity? {
                try writeFile(path, Array(text.utf8))
                setModified(path, modified)
                return try InputFile(path: path).identity()
            }
            let first = try identity("http://a/\n", modified: 1_000)
            #expect(first != nil)
            #expect(try identity("http://a/\n", modified: 1_000) == first)
            #expect(try identity("http://b/\n", modified: 1_000) != first)
            #expect(try identity("http://a/\n", modified: 1_001) != first)
            #expect(try identity("http://a/\n\n", modified: 1_000) != first)
        }
        #expect(try InputFile(path: "-").identity() == nil)
        #expect(try InputFile(path: "/dev/null").identity() == nil)
    }
}
