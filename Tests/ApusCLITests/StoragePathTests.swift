import Apus
import Testing

@testable import ApusCLI

@Suite struct StoragePathTests {
    @Test(arguments: [
        ("http://example.com/", "example.com/index.html"),
        ("http://example.com", "example.com/index.html"),
        ("http://example.com:80/a", "example.com/a"),
        ("https://example.com:443/a", "example.com/a"),
        ("https://example.com:80/a", "example.com_80/a"),
        ("http://EXAMPLE.com:8080/a/b.txt", "example.com_8080/a/b.txt"),
        ("https://example.com/a/", "example.com/a/index.html"),
        ("http://[::1]:8080/x", "::1_8080/x"),
        ("http://user:secret@h/x", "h/x"),
        ("http://h/x#fragment", "h/x"),
        ("http://h/a?b=c&d=e", "h/a@b=c&d=e"),
        ("http://h/?q=1", "h/index.html@q=1"),
        ("http://h/a?", "h/a@"),
        ("http://h/a?path=/etc/../passwd", "h/a@path=%2Fetc%2F..%2Fpasswd"),
        ("http://h/a?../../x", "h/a@..%2F..%2Fx"),
        ("http://h/caf\u{E9}", "h/caf%C3%A9"),
        ("http://h/.hidden", "h/.hidden"),
        ("http://h/...", "h/..."),
        ("http://h//a///b", "h/a/b"),
        ("http://h/.apus-partial/7", "h/_.apus-partial/7"),
        ("http://h/CON", "h/_CON"), ("http://h/aux.c", "h/_aux.c"), ("http://h/com1.tar.gz", "h/_com1.tar.gz"),
        ("http://h/nul/x", "h/_nul/x"), ("http://h/console", "h/console"), ("http://h/lpt", "h/lpt"),
    ])
    func aTreeIsHostAndPath(url: String, expected: String) throws {
        #expect(try StoragePath(URI(url), tree: true).text == expected)
    }

    @Test(arguments: [
        ("http://h/", "index.html"), ("http://h/a/b/c.txt", "c.txt"), ("http://h/a/", "index.html"),
        ("http://h/a/b?x=1", "b@x=1"), ("http://h/.apus-partial", "_.apus-partial"), ("http://h/a/..%2F", "..%2F"),
        ("http://h/%2e%2e", "%2E%2E"), ("http://h/a%2Fb", "a%2Fb"),
    ])
    func withoutATreeItIsTheLastPartOfThePath(url: String, expected: String) throws {
        #expect(try StoragePath(URI(url), tree: false).text == expected)
    }

    @Test(arguments: [
        "http://h/../../escape", "http://h/a/../../../escape", "http://h/%2e%2e/%2e%2e/escape", "http://h/.%2E/escape",
        "http://h/%2E./%2e/escape", "http://h/..%2f..%2fescape", "http://h/..%5c..%5cescape", "http://h//escape",
        "http://h////etc/passwd", "http://h/x/%00escape", "http://h/..", "http://h/.", "http://h/%2e%2e",
        "http://h/..?x",
        "http://h/a/..;/b", "http://h/\\..\\..\\escape", "http://h/%2fetc%2fpasswd", "http://h/?/../../x",
    ])
    func aURLNeverLeavesItsFolder(url: String) throws {
        for tree in [true, false] {
            for name in try StoragePath(URI(url), tree: tree).names { #expect(isSafe(name), "\(name)") }
        }
    }

    private let pieces = [
        "..", ".", "/", "//", "%2e", "%2F", "\0", "\n", "a", "?", "%", "\\", "\u{7F}", "é", "%00", "\u{85}", "\u{202E}",
        "CON", "nul.", ".apus-partial", "@", String(repeating: "x", count: 300), String(repeating: "é", count: 120),
    ]

    private func randomText(_ most: Int) -> String {
        (0..<Int.random(in: 0...most)).map { _ in pieces.randomElement() ?? "" }.joined()
    }

    /// The mapping is total: also for parts that no URI has.
    @Test func neverLeavesItsFolderWhateverTheParts() {
        for _ in 0..<5_000 {
            let host = Bool.random() ? randomText(8) : nil
            let path = StoragePath(host: host, path: "/" + randomText(8), query: Bool.random() ? randomText(8) : nil)
            #expect(path.names.count >= (host == nil ? 1 : 2))
            for name in path.names { #expect(isSafe(name), "\(path.names)") }
        }
    }

    /// What a line of JSON asks for is refused, or is as safe.
    @Test func anOutputIsRefusedOrStaysBelow() {
        var refused = 0
        for _ in 0..<5_000 {
            let output = randomText(6)
            guard let path = try? StoragePath(output: output) else {
                refused += 1
                continue
            }
            #expect(!path.names.isEmpty)
            for name in path.names { #expect(isSafe(name), "\(path.names)") }
        }
        #expect((1..<5_000).contains(refused))
    }

    private func isSafe(_ name: String) -> Bool {
        !name.isEmpty && name != "." && name != ".." && name.utf8.count <= StoragePath.maximumName
            && !name.hasPrefix(StagingFolder.name)
            && !name.unicodeScalars.contains {
                $0 == "/" || $0.value < 0x20 || (0x7F...0x9F).contains($0.value) || $0 == "\u{202E}"
            }
    }

    @Test(arguments: [
        ("a", "a"), ("a/b", "a/b"), ("./a//b", "a/b"), ("é ü/(1).txt", "é ü/(1).txt"), ("-rf", "-rf"),
        ("a/...", "a/..."),
        ("con.txt", "_con.txt"), ("..a/b..", "..a/b.."),
    ])
    func anOutputIsKept(output: String, expected: String) throws {
        #expect(try StoragePath(output: output).text == expected)
    }

    @Test(arguments: [
        ("", "empty"), ("/etc/passwd", "absolute"), ("//a", "absolute"), ("../a", ".."), ("a/../../b", ".."),
        ("a/..", ".."),
        ("..", ".."), ("a\0b", "control"), ("a\u{1B}[2J", "control"), ("a\u{9B}2J", "control"),
        ("a\u{202E}txt", "control"),
        ("a/", "folder"), (".", "folder"), ("./.", "folder"), (".apus-partial/1", "own folder"),
        (String(repeating: "x", count: 300), "300 bytes"), (String(repeating: "x/", count: 2_000) + "x", "4001 bytes"),
    ])
    func anOutputThatWouldBeElsewhereIsRefused(output: String, reason: String) {
        let error = #expect(throws: StorageError.self) { try StoragePath(output: output) }
        #expect(error?.description.contains(reason) == true, "\(String(describing: error))")
    }

    @Test func longNamesAreShortenedAndStayDifferent() throws {
        let long = String(repeating: "x", count: 5_000)
        let names = try ["", "y", ".html", "y.html"].map {
            try StoragePath(URI("http://h/\(long)\($0)"), tree: false).text
        }
        #expect(Set(names).count == 4)
        #expect(names.allSatisfy { $0.utf8.count == StoragePath.maximumName })
        #expect(names[2].hasSuffix(".html") && !names[0].hasSuffix(".html"))
        let deep = try StoragePath(URI("http://h/" + String(repeating: "a/", count: 5_000)), tree: true)
        #expect(deep.names.count == 2 && deep.names[1].hasPrefix("~"))
    }

    /// What nearly all names are is not taken apart first; what comes of it is the same.
    @Test func theQuickWayToANameIsThatOfTheGeneralOne() throws {
        var random = SplitMix(seed: 0x5A7E)
        let ends = [
            "", "a", "index.html", "10000", "a.b-c_d", "~x", "%41", "%2F", "%2f..", "a%00", ".", "..", "...", ".a",
            "a.", "..a",
            ".apus-partial", ".apus-partial2", "con", "CON", "con.txt", "Con", "cone", "aux", "aux.", "aux.c", "nul",
            "prn.x.y", "com1",
            "COM9.tar", "com", "com10", "lpt0", "lpt.1", "ab.c", "abc.d", "abcd.e", "a?", "a?b", "?", "?x", "a?b/c",
            "a?b/../c", "a#b",
            "#", "#b/c", "a#b/c", "a?b#c", "a?b#c/d", "a#b?c/d", "a:b", "a@b", "a&b=c", "a+b", "a;b", "(a)", "a'b",
            "a!b", "$a", "*",
            "a\\b", "a b", "a\u{E9}", "\u{1F600}", String(repeating: "x", count: 219),
            String(repeating: "x", count: 220),
            String(repeating: "x", count: 221), String(repeating: "c", count: 300),
            "con" + String(repeating: "n", count: 12),
        ]
        let starts = [
            "http://h", "http://h/", "http://h/a/", "https://h:8443/a/b/", "http://u:p@h/", "http://u%2Fx@h/a/",
            "http://[::1]/",
            "http://h//", "http://h/a//", "http://h/../", "http://h/a/../", "http://h/.", "http://h/?", "http://h/a?b/",
            "http://h/a#b/",
        ]
        var urls = starts.flatMap { start in ends.map { start + ($0.isEmpty || start.contains("/") ? $0 : "/" + $0) } }
        let bytes = Array("aCon.txt/?#%2eF~-_@:é".unicodeScalars)
        urls += (0..<5_000).map { _ in
            var text = "http://h/"
            for _ in 0..<random.next() % 12 {
                text.unicodeScalars.append(bytes[Int(random.next() % UInt64(bytes.count))])
            }
            return text
        }
        var looked = 0
        for url in urls {
            guard let uri = try? URI(url) else { continue }
            looked += 1
            #expect(StoragePath(uri, tree: false) == StoragePath(host: nil, path: uri.path, query: uri.query), "\(url)")
        }
        #expect(looked > 4_000)
    }
}
