import Foundation
import Testing

/// `docs/PERFORMANCE.md`, which `./run bench` writes, and what README says of speed.
@Suite("The page of performance")
struct PerformancePageTests {
    private static let page = "docs/PERFORMANCE.md"

    /// A sentence of README, and the figure of the page that makes it true: in a section, below the first line that begins with `under`,
    /// the number that `column` has in the row that begins with `row`.
    struct Claim: Sendable, CustomTestStringConvertible {
        var english: String
        var chinese: String
        var section: String
        var under = ""
        var row: String
        var column: String
        var bound: ClosedRange<Double>

        var testDescription: String { english }
    }

    /// CPU beside a peer's with 64 connections.
    private static func beside(_ peer: String, _ section: String, most: Double, _ english: String, _ chinese: String)
        -> Claim
    {
        Claim(
            english: english,
            chinese: chinese,
            section: section,
            under: "**64 connections**",
            row: peer,
            column: "CPU of Apus ÷ this",
            bound: 0...most
        )
    }

    /// At least twice as fast as uvloop.
    private static func task(_ row: String, _ english: String, _ chinese: String) -> Claim {
        let section = "Tasks, timers, queues and threads"
        return Claim(
            english: english,
            chinese: chinese,
            section: section,
            row: row,
            column: "uvloop ÷ Apus",
            bound: 2...1000
        )
    }

    static let claims = [
        beside("hyper", "Client", most: 0.99, "less CPU than hyper", "CPU 用量低于 hyper"),
        beside("Go net/http", "Client", most: 0.5, "at most half of Go's `net/http`", "不超过 Go `net/http` 的一半"),
        beside("AsyncHTTPClient", "Client", most: 0.25, "a quarter of AsyncHTTPClient's", "AsyncHTTPClient 的四分之一"),
        beside("aiohttp", "Client", most: 0.167, "a sixth of aiohttp's on uvloop", "aiohttp（uvloop）的六分之一"),
        beside("Go net/http", "Server", most: 0.67, "two thirds of Go's `net/http`", "Go `net/http` 的三分之二"),
        beside("Hummingbird", "Server", most: 0.34, "a third of Hummingbird's", "Hummingbird 的三分之一"),
        task("spawn an empty task", "a task spawned and awaited", "启动并等待一个任务"),
        task("`AsyncQueue` of 64", "an element through a queue", "队列中传递一个元素"),
        task("a timer", "a timer", "一个定时器"),
        Claim(
            english: "less than 2,000 bytes",
            chinese: "不到 2,000 字节",
            section: "Tasks, timers, queues and threads",
            under: "| 1,000,000 sleeping tasks",
            row: "bytes each",
            column: "**Apus**",
            bound: 0...2000
        ),
        Claim(
            english: "at least three times as fast as `curl --parallel`",
            chinese: "速度至少是 `curl --parallel` 的三倍",
            section: "Fetching lists of URLs",
            row: "curl",
            column: "its wall ÷ that of apus",
            bound: 3...1000
        ),
    ]

    @Test("a claim of README about speed stands in both languages, and the page bears it out", arguments: claims)
    func bornOut(_ claim: Claim) throws {
        let english = try Self.speed(of: "README.md", heading: "Speed")
        let chinese = try Self.speed(of: "README.zh.md", heading: "速度")
        #expect(english.contains(claim.english))
        #expect(chinese.contains(claim.chinese))
        let anchor = "(\(Self.page)#\(Self.anchor(claim.section)))"
        #expect(english.contains(anchor), "README.md does not link the section \(claim.section)")
        #expect(chinese.contains(anchor), "README.zh.md does not link the section \(claim.section)")
        let figure = try Self.figure(of: claim)
        #expect(claim.bound.contains(figure), "the page has \(figure)")
    }

    @Test("a million URLs take less memory than README says")
    func million() throws {
        for (readme, words) in [("README.md", "less than 50 MB"), ("README.zh.md", "不到 50 MB")] {
            #expect(try Repository.file(readme).text.contains(words), "\(readme)")
        }
        let section = try Self.section("Fetching lists of URLs")
        let match = try #require(section.firstMatch(of: /\*\*1,000,000 URLs\*\*.* at most ([0-9.]+) MB/))
        let megabytes = Double(String(match.1)) ?? .infinity
        #expect(megabytes < 50)
    }

    @Test("the table of speed claims nothing that is not looked up here")
    func nothingElse() throws {
        let english = try Self.speed(of: "README.md", heading: "Speed")
        // Numerals of the table are in the claims, or are how much was measured.
        let known = Self.claims.map(\.english).joined(separator: " ") + " 64 connections 20,000 small files"
        for row in english.split(separator: "\n") where row.hasPrefix("| ") {
            for number in row.matches(of: /[0-9][0-9,.]*/) {
                #expect(known.contains(number.0), "\(number.0) in \(row)")
            }
        }
    }

    @Test("every plot that a page links is there, and every link from README to the page leads to a heading")
    func links() throws {
        let text = try Repository.file(Self.page).text
        for link in text.matches(of: /\]\((plots\/[^)]*)\)/) {
            let file = Repository.root.appending(path: "docs/\(link.1)").path
            #expect(FileManager.default.fileExists(atPath: file), "\(link.1): ./run bench plots draws it")
        }
        let headings = text.split(separator: "\n").filter { $0.hasPrefix("## ") }
        let anchors = Set(headings.map { Self.anchor($0.dropFirst(3)) })
        for readme in ["README.md", "README.zh.md"] {
            for link in try Repository.file(readme).text.matches(of: /docs\/PERFORMANCE\.md#([^)]*)\)/) {
                #expect(anchors.contains(String(link.1)), "\(readme): \(link.1)")
            }
        }
    }

    // MARK: Reading

    private static func anchor(_ heading: some StringProtocol) -> String {
        heading.lowercased().filter { $0.isLetter || $0.isNumber || $0 == " " || $0 == "-" }
            .replacingOccurrences(of: " ", with: "-")
    }

    /// README's section about speed.
    private static func speed(of readme: String, heading: String) throws -> String {
        let text = try Repository.file(readme).text
        let start = try #require(text.range(of: "\n## \(heading)\n"), "\(readme) has no section \(heading)")
        let end = text.range(of: "\n## ", range: start.upperBound..<text.endIndex)?.lowerBound ?? text.endIndex
        return String(text[start.upperBound..<end])
    }

    private static func section(_ name: String) throws -> String {
        let text = try Repository.file(page).text
        let start = try #require(text.range(of: "\n## \(name)\n"), "\(page) has no section \(name)")
        let end = text.range(of: "\n## ", range: start.upperBound..<text.endIndex)?.lowerBound ?? text.endIndex
        return String(text[start.upperBound..<end])
    }

    private static func cells(_ line: Substring) -> [String] {
        line.split(separator: "|", omittingEmptySubsequences: false).dropFirst().dropLast()
            .map { $0.trimmingCharacters(in: .whitespaces) }
    }

    /// The number that a claim is about.
    private static func figure(of claim: Claim) throws -> Double {
        var lines = try section(claim.section).split(separator: "\n", omittingEmptySubsequences: false)[...]
        if !claim.under.isEmpty, let start = lines.firstIndex(where: { $0.hasPrefix(claim.under) }) {
            lines = lines[start...]
        }
        var column: Int?
        for line in lines {
            guard line.hasPrefix("|") else {
                column = nil
                continue
            }
            let cells = cells(line)
            if let found = cells.firstIndex(of: claim.column) {
                column = found
            } else if let column, column < cells.count, cells[0].hasPrefix(claim.row) {
                let digits = cells[column].drop { $0 == "(" }.prefix { $0.isNumber || $0 == "." || $0 == "," }
                let number = Double(String(digits).replacingOccurrences(of: ",", with: ""))
                return try #require(number, "\(claim.row): \(cells[column])")
            }
        }
        throw NoFigure(description: "\(claim.section) has no row \(claim.row) below a column \(claim.column)")
    }

    private struct NoFigure: Error, CustomStringConvertible {
        var description: String
    }
}
