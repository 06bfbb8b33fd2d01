import Foundation
import Testing

/// `docs/ASYNCIO.md` leaves nothing out, and the tests that it names are there.
@Suite("The asyncio page")
struct AsyncioPageTests {
    private static let page = "docs/ASYNCIO.md"

    @Test("every public name of asyncio stands in an example, or where the page says why there is none")
    func names() throws {
        let text = try Repository.file(Self.page).text
        #expect(AsyncioNames.all.count > 200)
        #expect(NamePage.missing(AsyncioNames.all, in: text) == [])
    }

    @Test("every Python example has a Swift one beside it")
    func pairs() throws {
        let python = try DocumentationSnippetTests.blocks(of: "python", in: Self.page)
        let swift = try DocumentationSnippetTests.blocks(of: "swift", in: Self.page)
        #expect(python.count >= 30 && python.count == swift.count)
    }

    @Test("every row is there once, in its order, with a test or with a reason")
    func rows() throws {
        let rows = try NamePage.rows(of: Self.page)
        #expect(rows.map(\.id) == AsyncioNames.rows)
        for row in rows {
            #expect(!row.original.isEmpty)
            #expect(!row.tests.isEmpty || row.isExplained, "\(row.id) has neither a test nor a reason")
        }
    }

    @Test("every test that a row names exists")
    func tests() throws {
        let known = NamePage.testNames(in: try Repository.swiftFiles(under: "Tests"))
        #expect(known.count > 500)
        for row in try NamePage.rows(of: Self.page) {
            // Not a part of the expectation, whose report would hold all names.
            let absent = row.tests.filter { !known.contains($0) }
            #expect(absent == [], "\(row.id) names tests that there are not")
        }
    }

    @Test("a test whose name begins with rows names rows that there are")
    func testsThatNameRows() throws {
        let rows = try NamePage.rows(of: Self.page)
        for test in NamePage.testNames(in: try Repository.swiftFiles(under: "Tests")) {
            for id in NamePage.rowsNamed(by: test, letters: "A") {
                #expect(rows.contains { $0.id == id }, "“\(test)” names the row \(id), which there is not")
            }
        }
    }

    // MARK: The checks themselves

    @Test("a name that is missing is found, and one in prose does not count")
    func missingNames() {
        let text = "gather\n```python\nrun(x)\n```\n```swift\nsleep\n```\n| `stop` | why |\nand `wait`\n"
        #expect(
            NamePage.missing(["run", "sleep", "stop", "gather", "wait", "ru"], in: text) == ["gather", "wait", "ru"]
        )
    }

    @Test("rows and the names of tests are read as they stand")
    func parsing() {
        let rows = NamePage.rows(
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
        #expect(
            NamePage.testNames(in: [SourceFile(path: "a", text: source)]) == ["A1: a name", "on a line", "raw name"]
        )
        #expect(NamePage.rowsNamed(by: "A30, A36: two rows", letters: "A") == ["A30", "A36"])
        #expect(NamePage.rowsNamed(by: "C30, P1: two rows", letters: "CP") == ["C30", "P1"])
        #expect(NamePage.rowsNamed(by: "A30: a row", letters: "CP") == [])
        #expect(NamePage.rowsNamed(by: "A lock", letters: "A") == [])
    }
}
