import Foundation
import Testing

/// Each option has a test that gives it to the real program.
struct OptionCoverageTests {
    /// The sources of tests that run it.
    private func sources() throws -> [String] {
        let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        let names = FileManager.default.enumerator(atPath: folder.path)?.compactMap { $0 as? String } ?? []
        return try names.filter { $0.hasSuffix("Tests.swift") && !$0.hasSuffix("OptionCoverageTests.swift") }
            .map { try String(contentsOf: folder.appending(path: $0), encoding: .utf8) }
            .filter { $0.contains("withBench") }
    }

    @Test func eachOptionIsGivenToTheRealProgramByATest() async throws {
        let sources = try sources()
        try await withBench { bench in
            for command in ["fetch", "bench", "demo"] {
                let process = try ApusProcess([command, "--experimental-dump-help"], folder: bench.folder)
                let outcome = try await process.wait()
                let options = try CommandDump.parse(outcome.output).arguments ?? []
                #expect(options.count { $0.names != nil } >= 2)
                // Of the tests of that command only: they name it, or call what does.
                let own = sources.filter {
                    $0.contains("\"\(command)\"") || command == "fetch" && $0.contains(".fetch(")
                }
                for option in options {
                    guard let names = option.names?.map({ "\"\($0.text)\"" }), !names.isEmpty else { continue }
                    let isNamed = own.contains { source in names.contains { source.contains($0) } }
                    #expect(isNamed, "no test gives \(names) to apus \(command)")
                }
            }
        }
    }
}
