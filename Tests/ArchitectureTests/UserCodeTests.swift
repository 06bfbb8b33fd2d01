import Foundation
import Testing

/// `Tests/UserCode`: see its README.
@Suite("User code")
struct UserCodeTests {
    private static let modes = ["Swift6", "Nonsending", "Upcoming", "MainActor"]
    private static let folder = Repository.root.appending(path: "Tests/UserCode")

    private static func names(in folder: URL) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(".swift") }.sorted()
    }

    @Test("every program is linked into every mode", arguments: modes)
    func links(mode: String) throws {
        let programs = Self.folder.appending(path: "Programs")
        let names = try Self.names(in: programs)
        #expect(names.count >= 10)
        let linked = Self.folder.appending(path: mode)
        #expect(try Self.names(in: linked) == names)
        for name in names {
            let link = linked.appending(path: name).path
            #expect(try FileManager.default.destinationOfSymbolicLink(atPath: link) == "../Programs/\(name)")
        }
    }

    @Test("every use is one of the program's")
    func uses() throws {
        let program = try Repository.file("Tests/UserCode/Programs/Program.swift").text
        for file in try Repository.swiftFiles(under: "Tests/UserCode/Programs") {
            for match in file.text.matches(of: /enum (\w+Use) \{/) {
                #expect(program.contains("\(match.1).run($0)"), "\(match.1) is not run")
            }
        }
    }

    @Test("the programs run, whatever their modules were compiled with", arguments: modes)
    func run(mode: String) async throws {
        let program = try Repository.products().appending(path: "UserCode\(mode)")
        let (status, output) = try await Repository.run(program)
        #expect(status == 0, "\(output)")
        #expect(output.contains("ok: main actor, "), "\(output)")
    }

    private static let refused: [SourceFile] =
        (try? Repository.swiftFiles(under: "Tests/UserCode/MustNotCompile")) ?? []

    @Test("there are files that must not compile")
    func thereAre() {
        #expect(Self.refused.count >= 8)
    }

    @Test("what must not compile does not, for the reason that its first line says", arguments: refused.map(\.path))
    func refuses(path: String) async throws {
        let file = try Repository.file(path)
        let expected = try #require(Self.expectation(file), "the first line is not `// error: …`")
        let (status, messages) = try await Self.typecheck(path)
        #expect(status != 0, "it compiles")
        let errors = messages.split(separator: "\n").filter { $0.contains("error: ") }
        #expect(errors.contains { $0.contains(expected) }, "the compiler says:\n\(messages)")
    }

    @Test("a file that may compile does: the others are not refused for want of a module")
    func control() async throws {
        let folder = try makeScratchFolder()
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = folder.appending(path: "control.swift")
        let source = "import Apus\nfunc program() async throws { try await sleep(for: .seconds(1)) }\n"
        try source.write(to: file, atomically: true, encoding: .utf8)
        let (status, messages) = try await Self.typecheck(file.path)
        #expect(status == 0, "\(messages)")
    }

    private static func expectation(_ file: SourceFile) -> String? {
        guard let first = file.lines.first, first.hasPrefix("// error: ") else { return nil }
        return String(first.dropFirst("// error: ".count))
    }

    static func typecheck(_ path: String) async throws -> (status: Int32, output: String) {
        let products = try Repository.products()
        return try await Repository.run(
            URL(filePath: "/usr/bin/env"),
            [
                "swiftc", "-typecheck", "-swift-version", "6", "-module-name", "Refused",
                "-I", products.appending(path: "Modules").path,
                "-Xcc", "-fmodule-map-file=\(products.appending(path: "CApus.build/module.modulemap").path)",
                "-Xcc",
                "-fmodule-map-file=\(Repository.root.appending(path: "Sources/COpenSSL/module.modulemap").path)",
                "-Xcc",
                "-fmodule-map-file=\(Repository.root.appending(path: "Sources/CZlib/module.modulemap").path)",
                URL(filePath: path, relativeTo: Repository.root).path,
            ]
        )
    }
}
