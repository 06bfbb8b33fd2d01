import Foundation
import Testing

/// The comparison with other clients in README, which `docs/COMPARISON.md` says the sources of.
@Suite("The comparison with other clients")
struct ComparisonTests {
    private static let page = "docs/COMPARISON.md"
    private static let marks: Set<String> = ["✓", "◐", "–", "?"]

    /// One line of a table: its cells.
    private static func rows(in text: Substring) -> [[String]] {
        text.split(separator: "\n").filter { $0.hasPrefix("|") }.map { line in
            line.split(separator: "|", omittingEmptySubsequences: false).dropFirst().dropLast()
                .map { $0.trimmingCharacters(in: .whitespaces) }
        }
    }

    /// The rows of the table that has these clients, and the clients.
    private static func table(of readme: String) throws -> (clients: [String], rows: [(name: String, marks: [String])])
    {
        let text = try Repository.file(readme).text
        let start = try #require(text.range(of: "| | Apus |"), "\(readme) has no such table")
        let end = text.range(of: "\n\n", range: start.lowerBound..<text.endIndex)?.lowerBound ?? text.endIndex
        var rows = rows(in: text[start.lowerBound..<end])
        let clients = Array(rows.removeFirst().dropFirst())
        return (clients, rows.dropFirst().map { ($0[0], Array($0.dropFirst())) })
    }

    /// The page's features, each with a mark and a source for every client.
    private static func features() throws -> [(name: String, cells: [(client: String, mark: String, source: String)])] {
        try Repository.file(page).text.components(separatedBy: "\n## ").dropFirst().compactMap { section in
            let rows = rows(in: section[...])
            guard rows.first == ["client", "", "source"] else { return nil }
            let name = section.split(separator: "\n").first.map(String.init) ?? ""
            return (name, rows.dropFirst(2).map { ($0[0], $0[1], $0.count == 3 ? $0[2] : "") })
        }
    }

    @Test("each mark of the table is a mark of the page, where it has a source")
    func marks() throws {
        let table = try Self.table(of: "README.md")
        let features = try Self.features()
        #expect(table.clients.count == 7 && table.rows.count > 20)
        #expect(table.rows.map(\.name) == features.map(\.name))
        for (row, feature) in zip(table.rows, features) {
            #expect(feature.cells.map(\.client) == table.clients, "\(feature.name)")
            #expect(feature.cells.map(\.mark) == row.marks, "\(feature.name)")
            for cell in feature.cells {
                #expect(Self.marks.contains(cell.mark), "\(feature.name), \(cell.client)")
                #expect(!cell.source.isEmpty, "\(feature.name), \(cell.client): no source")
            }
        }
    }

    @Test("the Chinese table has the same marks")
    func translation() throws {
        let (english, chinese) = (try Self.table(of: "README.md"), try Self.table(of: "README.zh.md"))
        #expect(english.clients == chinese.clients)
        #expect(english.rows.map(\.marks) == chinese.rows.map(\.marks))
    }

    @Test("what Apus is said to have names tests that there are, and what it lacks stands where the design says so")
    func ourOwn() throws {
        let known = NamePage.testNames(in: try Repository.swiftFiles(under: "Tests"))
        let design = try Repository.file("docs/DESIGN.md").text
        let missing = try #require(design.range(of: "\n## Not here yet\n"))
        for feature in try Self.features() {
            let cell = try #require(feature.cells.first { $0.client == "Apus" })
            if cell.mark == "–" {
                #expect(cell.source.contains("DESIGN.md#not-here-yet"), "\(feature.name)")
                let isStated = design[missing.upperBound...].contains(feature.name)
                #expect(isStated, "\(feature.name) is not among what is missing")
                continue
            }
            #expect(cell.source.hasPrefix("tests "), "\(feature.name)")
            let tests = cell.source.split(separator: "`", omittingEmptySubsequences: false).enumerated()
                .filter { $0.offset % 2 == 1 }.map { String($0.element) }
            #expect(!tests.isEmpty)
            let absent = tests.filter { !known.contains($0) }
            #expect(absent == [], "\(feature.name) names tests that there are not")
        }
    }

    @Test("every client's version is stated")
    func versions() throws {
        let text = try Repository.file(Self.page).text
        for client in try Self.table(of: "README.md").clients where client != "Apus" {
            let line = text.split(separator: "\n").first { $0.hasPrefix("| \(client) | ") }
            #expect(line?.contains(/\d+\.\d+/) == true, "\(client)")
        }
    }
}
