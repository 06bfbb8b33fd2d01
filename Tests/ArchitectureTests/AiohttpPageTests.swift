import Testing

/// `docs/AIOHTTP.md` leaves nothing of the client out, and the tests that it names are there.
@Suite("The aiohttp page")
struct AiohttpPageTests {
    private static let page = "docs/AIOHTTP.md"

    @Test("every public name of aiohttp's client stands in an example, or where the page says why there is none")
    func names() throws {
        let text = try Repository.file(Self.page).text
        #expect(AiohttpNames.all.count > 150)
        #expect(NamePage.missing(AiohttpNames.all, in: text) == [])
    }

    @Test("every Python example has a Swift one beside it")
    func pairs() throws {
        let python = try DocumentationSnippetTests.blocks(of: "python", in: Self.page)
        let swift = try DocumentationSnippetTests.blocks(of: "swift", in: Self.page)
        #expect(python.count >= 15 && python.count == swift.count)
    }

    @Test("every row is there once, in its order, with a test or with a reason")
    func rows() throws {
        let rows = try NamePage.rows(of: Self.page)
        #expect(rows.map(\.id) == AiohttpNames.rows)
        for row in rows {
            #expect(!row.original.isEmpty)
            #expect(!row.tests.isEmpty || row.isExplained, "\(row.id) has neither a test nor a reason")
        }
    }

    @Test("every test that a row names exists, and every test that names a row names one that there is")
    func tests() throws {
        let known = NamePage.testNames(in: try Repository.swiftFiles(under: "Tests"))
        #expect(known.count > 500)
        let rows = try NamePage.rows(of: Self.page)
        for row in rows {
            // Not a part of the expectation, whose report would hold all names.
            let absent = row.tests.filter { !known.contains($0) }
            #expect(absent == [], "\(row.id) names tests that there are not")
        }
        let ids = Set(rows.map(\.id))
        for test in known {
            let absent = NamePage.rowsNamed(by: test, letters: "CP").filter { !ids.contains($0) }
            #expect(absent == [], "“\(test)” names rows that there are not")
        }
    }
}
