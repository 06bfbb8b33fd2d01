import Foundation
import Testing

/// Every block of Swift in the documentation compiles, or fails with the message that stands below it.
///
/// A block with `import Apus` is a whole program. Any other is a fragment, compiled inside an asynchronous function with a `session`,
/// a `loop`, a `url` and `urls` to talk about. A block with a comment `// error: …` must fail, with these words. What is no Swift
/// for the compiler, such as a part of a manifest, is marked as `text`.
@Suite struct DocumentationSnippetTests {
    struct Snippet: Sendable, CustomTestStringConvertible {
        var file: String
        var line: Int
        var source: String

        var testDescription: String { "\(file):\(line)" }
        /// What the compiler must say.
        var expectedErrors: [String] {
            source.split(separator: "\n").compactMap { line in
                line.range(of: "// error: ").map { "error: " + line[$0.upperBound...] }
            }
        }
    }

    private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    private static func read(_ name: String) throws -> String {
        try String(contentsOf: root.appending(path: name), encoding: .utf8)
    }

    /// The blocks of a Markdown text that begin with three backquotes and `language`.
    static func blocks(of language: String, in name: String) throws -> [Snippet] {
        var found: [Snippet] = []
        var current: Snippet?
        for (index, line) in try read(name).split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            if var snippet = current {
                if line.hasPrefix("```") {
                    found.append(snippet)
                    current = nil
                } else {
                    snippet.source += line + "\n"
                    current = snippet
                }
            } else if line == "```\(language)" {
                current = Snippet(file: name, line: index + 1, source: "")
            }
        }
        return found
    }

    static let documents: [String] = {
        let docs = (try? FileManager.default.contentsOfDirectory(atPath: root.appending(path: "docs").path)) ?? []
        return ["README.md", "README.zh.md", "CONTRIBUTING.md"]
            + docs.filter { $0.hasSuffix(".md") }.sorted().map { "docs/\($0)" }
    }()

    /// Each once, though both READMEs have it.
    static let snippets: [Snippet] = {
        var seen: Set<String> = []
        return documents.flatMap { (try? blocks(of: "swift", in: $0)) ?? [] }.filter { seen.insert($0.source).inserted }
    }()

    @Test func thereAreSnippets() {
        #expect(Self.snippets.count > 5)
    }

    @Test(arguments: snippets)
    func compiles(_ snippet: Snippet) throws {
        let (status, messages) = try Self.typecheck(snippet.source)
        guard !snippet.expectedErrors.isEmpty else {
            #expect(status == 0, "\(snippet.testDescription) does not compile:\n\(messages)")
            return
        }
        #expect(status != 0, "\(snippet.testDescription) should not compile")
        for expected in snippet.expectedErrors {
            #expect(messages.contains(expected), "\(snippet.testDescription): the compiler says:\n\(messages)")
        }
    }

    /// The two READMEs show the same programs and commands: only what comments say differs.
    @Test(arguments: ["swift", "python", "sh", "text"])
    func bothReadmesShowTheSame(language: String) throws {
        func code(_ name: String) throws -> [String] {
            try Self.blocks(of: language, in: name).map { block in
                block.source.split(separator: "\n").map(Self.withoutComment).joined(separator: "\n")
            }
        }
        #expect(try code("README.md") == code("README.zh.md"))
    }

    private static func withoutComment(_ line: Substring) -> String {
        var line = String(line)
        for marker in ["  //", " #"] {
            if let start = line.range(of: marker) { line = String(line[..<start.lowerBound]) }
        }
        return line.trimmingCharacters(in: .whitespaces)
    }

    // MARK: The compiler

    /// The folder with the modules that this test was built with.
    private static func products() throws -> URL {
        struct NotFound: Error {}
        var folder = URL(filePath: try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"))
        let arguments = CommandLine.arguments
        if let index = arguments.firstIndex(of: "--test-bundle-path"), index + 1 < arguments.count {
            folder = URL(filePath: arguments[index + 1])
        }
        while folder.path != "/" {
            folder = folder.deletingLastPathComponent()
            if FileManager.default.fileExists(atPath: folder.appending(path: "Modules/Apus.swiftmodule").path) {
                return folder
            }
        }
        throw NotFound()
    }

    private static func typecheck(_ source: String) throws -> (status: Int32, messages: String) {
        let folder = try makeScratchFolder()
        defer { try? FileManager.default.removeItem(at: folder) }
        let isProgram = source.contains("import Apus")
        let fragment = """
            import Apus
            func fragment(session: ClientSession, loop: EventLoop, url: String, urls: [String]) async throws {
            \(source)
            }
            """
        let file = folder.appending(path: isProgram ? "main.swift" : "Fragment.swift")
        try (isProgram ? source : fragment).write(to: file, atomically: true, encoding: .utf8)

        let products = try products()
        // Of packages that a document shows beside Apus.
        let packages = products.deletingLastPathComponent().deletingLastPathComponent().appending(path: "checkouts")
        let output = folder.appending(path: "messages")
        try Data().write(to: output)
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = [
            "swiftc", "-typecheck", "-swift-version", "6", "-module-name", "Snippet",
            "-I", products.appending(path: "Modules").path,
            "-Xcc", "-fmodule-map-file=\(products.appending(path: "CApus.build/module.modulemap").path)",
            "-Xcc", "-fmodule-map-file=\(root.appending(path: "Sources/COpenSSL/module.modulemap").path)",
            "-Xcc", "-fmodule-map-file=\(root.appending(path: "Sources/CZlib/module.modulemap").path)",
            "-Xcc", "-fmodule-map-file=\(packages.path)/swift-system/Sources/CSystem/include/module.modulemap",
            "-Xcc",
            "-fmodule-map-file=\(packages.path)/swift-subprocess/Sources/_SubprocessCShims/include/module.modulemap",
            "-module-cache-path", products.appending(path: "ModuleCache").path,
            file.path,
        ]
        let handle = try FileHandle(forWritingTo: output)
        process.standardError = handle
        process.standardOutput = handle
        process.standardInput = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        try handle.close()
        return (process.terminationStatus, try String(contentsOf: output, encoding: .utf8))
    }
}
