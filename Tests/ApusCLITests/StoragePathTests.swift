import Apus
import Testing

@testable import ApusCLI

@Suite struct StoragePathTests {
    private func names(_ url: String) throws -> [String] { try StoragePath(URI(url)).names }

    @Test(arguments: [
        ("http://example.com/", ["example.com_80", "%index"]),
        ("http://example.com", ["example.com_80", "%index"]),
        ("http://EXAMPLE.com:8080/a/b.txt", ["example.com_8080", "a", "b.txt"]),
        ("https://example.com/a/", ["example.com_443", "a", "%index"]),
        ("http://[::1]:8080/x", ["::1_8080", "x"]),
        ("http://user:secret@h/x", ["h_80", "x"]),
        ("http://h/x#fragment", ["h_80", "x"]),
        ("http://h/a?b=c&d=e", ["h_80", "a?b=c&d=e"]),
        ("http://h/?q=1", ["h_80", "%index?q=1"]),
        ("http://h/a?", ["h_80", "a?"]),
        ("http://h/a?path=/etc/../passwd", ["h_80", "a?path=%2Fetc%2F..%2Fpasswd"]),
        ("http://h/a?../../x", ["h_80", "a?..%2F..%2Fx"]),
        ("http://h/caf\u{E9}", ["h_80", "caf%C3%A9"]),
        ("http://h/.hidden", ["h_80", ".hidden"]),
        ("http://h/...", ["h_80", "..."]),
    ])
    func isHostPortAndPath(url: String, expected: [String]) throws {
        #expect(try names(url) == expected)
    }

    @Test(arguments: [
        "http://h/../../escape", "http://h/a/../../../escape", "http://h/%2e%2e/%2e%2e/escape", "http://h/.%2E/escape",
        "http://h/%2E./%2e/escape", "http://h/..%2f..%2fescape", "http://h/..%5c..%5cescape", "http://h//escape",
        "http://h////etc/passwd", "http://h/x/%00escape", "http://h/..", "http://h/.", "http://h/%2e%2e",
        "http://h/..?x",
        "http://h/a/..;/b", "http://h/\\..\\..\\escape", "http://h/%2fetc%2fpasswd", "http://h/?/../../x",
    ])
    func neverLeavesItsFolder(url: String) throws {
        for name in try names(url) { #expect(isSafe(name), "\(name)") }
    }

    /// The mapping is total: also for parts that no URI has.
    @Test func neverLeavesItsFolderWhateverTheParts() {
        var random = SystemRandomNumberGenerator()
        let pieces = [
            "..", ".", "/", "//", "%2e", "%2F", "\0", "\n", "a", "?", "%", "\\", "\u{7F}", "é", "%00",
            String(repeating: "x", count: 300),
        ]
        for _ in 0..<5_000 {
            func text() -> String {
                (0..<Int.random(in: 0...8, using: &random)).map { _ in pieces.randomElement() ?? "" }.joined()
            }
            let path = StoragePath(host: text(), path: "/" + text(), query: Bool.random() ? text() : nil)
            #expect(path.names.count >= 2)
            for name in path.names { #expect(isSafe(name), "\(path.names)") }
        }
    }

    private func isSafe(_ name: String) -> Bool {
        !name.isEmpty && name != "." && name != ".." && name.utf8.count <= StoragePath.maximumName
            && !name.utf8.contains { $0 == UInt8(ascii: "/") || $0 < 0x20 || $0 == 0x7F }
    }

    @Test func differentURLsHaveDifferentNames() throws {
        let long = String(repeating: "x", count: 300)
        let urls = [
            "http://h/a", "http://h/a/", "http://h/a/index.html", "http://h/a/%25index", "http://h/a/%index2",
            "http://h/a/b", "http://h/a%2Fb", "http://h/a?b", "http://h/a%3Fb",
            "http://h//a",
            "http://h/%25empty/a", "http://h:81/a", "http://h/A", "http://h/a?", "http://h/a?b/c", "http://h/\(long)",
            "http://h/\(long)y", "http://h/\(long)/a",
        ]
        let paths = try urls.map { try names($0).joined(separator: "/") }
        #expect(Set(paths).count == urls.count)
    }

    @Test func longNamesAreShortened() throws {
        let long = String(repeating: "x", count: 5_000)
        let name = try #require(try names("http://h/\(long)").last)
        #expect(name.utf8.count == StoragePath.maximumName)
        #expect(name.contains("%long-"))
        let deep = String(repeating: "a/", count: 5_000)
        let names = try names("http://h/\(deep)")
        #expect(names.count == 2)
        #expect(names[1].hasPrefix("%long-"))
    }
}
