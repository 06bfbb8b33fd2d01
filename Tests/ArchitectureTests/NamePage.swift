import Foundation

/// What the pages have in common that map another library's names to Apus: examples in pairs, and a table of rows that name their tests.
enum NamePage {
    /// One row of the table at the end.
    struct Row: Equatable {
        var id: String
        /// What it is there.
        var original: String
        var here: String
        var tests: [String]

        /// It says why there is no test, or none yet.
        var isExplained: Bool { here.contains("**Otherwise**") || here.contains("**not yet**") }
    }

    static func rows(of page: String) throws -> [Row] { rows(in: try Repository.file(page).text) }

    static func rows(in text: String) -> [Row] {
        text.split(separator: "\n").compactMap { line in
            let cells = line.split(separator: "|", omittingEmptySubsequences: false)
                .map { $0.trimmingCharacters(in: .whitespaces) }
            guard cells.count == 6, cells[1].wholeMatch(of: /[ACP]\d+/) != nil else { return nil }
            let spans = cells[4].split(separator: "`", omittingEmptySubsequences: false)
            let tests = spans.enumerated().filter { $0.offset % 2 == 1 }.map { String($0.element) }
            return Row(id: cells[1], original: cells[2], here: cells[3], tests: tests)
        }
    }

    /// Those of `names` that stand in no block of code and in no table.
    static func missing(_ names: [Substring], in text: String) -> [Substring] {
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

    /// Display names of tests, without the backquotes that would end a span of code in Markdown.
    static func testNames(in files: [SourceFile]) -> Set<String> {
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

    /// The rows at the front of a test's name, if they begin with one of these letters.
    static func rowsNamed(by test: String, letters: String) -> [String] {
        guard let prefix = test.prefixMatch(of: /[ACP]\d+(?:, [ACP]\d+)*:/) else { return [] }
        return prefix.output.matches(of: /[ACP]\d+/).map { String($0.output) }.filter { letters.contains($0.first!) }
    }
}
