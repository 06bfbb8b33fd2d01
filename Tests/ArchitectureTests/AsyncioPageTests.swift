import Foundation
import Testing

/// `docs/ASYNCIO.md` leaves nothing out, and the tests that it names are there.
@Suite("The asyncio page")
struct AsyncioPageTests {
    /// One row of the table at the end.
    struct Row: Equatable {
        var id: String
        var asyncio: String
        var here: String
        var tests: [String]

        /// It says why there is no test, or none yet.
        var isExplained: Bool { here.contains("**Otherwise**") || here.contains("**not yet**") }
    }

    private static let page = "docs/ASYNCIO.md"

    @Test("every public name of asyncio stands in an example, or where the page says why there is none")
    func names() throws {
        let text = try Repository.file(Self.page).text
        #expect(AsyncioNames.all.count > 200)
        #expect(Self.missing(AsyncioNames.all, in: text) == [])
    }

    @Test("every Python example has a Swift one beside it")
    func pairs() throws {
        let python = try DocumentationSnippetTests.blocks(of: "python", in: Self.page)
        let swift = try DocumentationSnippetTests.blocks(of: "swift", in: Self.page)
        #expect(python.count >= 30 && python.count == swift.count)
    }

    @Test("every row is there once, in its order, with a test or with a reason")
    func rows() throws {
        let rows = Self.rows(in: try Repository.file(Self.page).text)
        #expect(rows.map(\.id) == AsyncioNames.rows)
        for row in rows {
            #expect(!row.asyncio.isEmpty)
            #expect(!row.tests.isEmpty || row.isExplained, "\(row.id) has neither a test nor a reason")
        }
    }

    @Test("every test that a row names exists")
    func tests() throws {
        let known = Self.testNames(in: try Repository.swiftFiles(under: "Tests"))
        #expect(known.count > 500)
        for row in Self.rows(in: try Repository.file(Self.page).text) {
            // Not a part of the expectation, whose report would hold all names.
            let absent = row.tests.filter { !known.contains($0) }
            #expect(absent == [], "\(row.id) names tests that there are not")
        }
    }

    @Test("a test whose name begins with rows names rows that there are")
    func testsThatNameRows() throws {
        let rows = Self.rows(in: try Repository.file(Self.page).text)
        for test in Self.testNames(in: try Repository.swiftFiles(under: "Tests")) {
            for id in Self.rowsNamed(by: test) {
                #expect(rows.contains { $0.id == id }, "“\(test)” names the row \(id), which there is not")
            }
        }
    }

    // MARK: The checks themselves

    @Test("a name that is missing is found, and one in prose does not count")
    func missingNames() {
        let text = "gather\n```python\nrun(x)\n```\n```swift\nsleep\n```\n| `stop` | why |\nand `wait`\n"
        #expect(Self.missing(["run", "sleep", "stop", "gather", "wait", "ru"], in: text) == ["gather", "wait", "ru"])
    }

    @Test("rows and the names of tests are read as they stand")
    func parsing() {
        let rows = Self.rows(
            in: """
                | A1 | `run` | **Otherwise**: so | `one`, `two, and more` |
                | no | row |
                | A2 | x | | |
                """
        )
        #expect(rows.map(\.id) == ["A1", "A2"])
        #expect(
            rows[0].isExplained && !rows[1].isExplained && rows[0].tests == ["one", "two, and more"]
                && rows[1].tests == []
        )
        let source = """
            @Test("A1: a name") func a()
            @Test(
                "on a line",
                arguments: []
            )
            @Test func `raw name`() {}
            """
        #expect(Self.testNames(in: [SourceFile(path: "a", text: source)]) == ["A1: a name", "on a line", "raw name"])
        #expect(Self.rowsNamed(by: "A30, A36: two rows") == ["A30", "A36"] && Self.rowsNamed(by: "A lock") == [])
    }

    /// Those of `names` that stand in no block of code and in no table.
    private static func missing(_ names: [Substring], in text: String) -> [Substring] {
        var found: Set<Substring> = []
        var isCode = false
        for line in text.split(separator: "\n") {
            if line.hasPrefix("```") {
                isCode = line != "```"
            } else if isCode {
                found.formUnion(words(line))
            } else if line.hasPrefix("| `") {
                // Of a table the first column.
                found.formUnion(words(line.split(separator: "|").first ?? ""))
            }
        }
        return names.filter { !found.contains($0) }
    }

    private static func words(_ line: Substring) -> [Substring] {
        line.split { !$0.isLetter && !$0.isNumber && $0 != "_" }
    }

    private static func rows(in text: String) -> [Row] {
        text.split(separator: "\n").compactMap { line in
            let cells = line.split(separator: "|", omittingEmptySubsequences: false)
                .map { $0.trimmingCharacters(in: .whitespaces) }
            guard cells.count == 6, cells[1].wholeMatch(of: /A\d+/) != nil else { return nil }
            let spans = cells[4].split(separator: "`", omittingEmptySubsequences: false)
            let tests = spans.enumerated().filter { $0.offset % 2 == 1 }.map { String($0.element) }
            return Row(id: cells[1], asyncio: cells[2], here: cells[3], tests: tests)
        }
    }

    /// Display names of tests, without the backquotes that would end a span of code in Markdown.
    private static func testNames(in files: [SourceFile]) -> Set<String> {
        var names: Set<String> = []
        for file in files {
            for match in file.text.matches(of: /@Test\(\s*"((?:[^"\\]|\\.)*)"/) {
                let name = String(match.1).replacing("`", with: "").replacing("\\\"", with: "\"")
                names.insert(String(name))
            }
            for match in file.text.matches(of: /@Test(?:\([^\n]*\))?\s+func `([^`]+)`/) {
                names.insert(String(match.1))
            }
        }
        return names
    }

    private static func rowsNamed(by test: String) -> [String] {
        guard let prefix = test.prefixMatch(of: /A\d+(?:, A\d+)*:/) else { return [] }
        return prefix.output.matches(of: /A\d+/).map { String($0.output) }
    }
}
