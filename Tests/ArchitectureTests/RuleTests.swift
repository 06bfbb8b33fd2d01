import Foundation
import Testing

/// The source tree as it is keeps the rules.
@Suite("The source tree")
struct RuleTests {
    @Test("there is something to look at")
    func isThere() throws {
        let targets = Set(try Repository.swiftFiles(under: "Sources").map(\.target))
        #expect(
            targets.isSuperset(of: ["Apus", "ApusWire", "ApusRuntime", "ApusNet", "ApusHTTPClient", "ApusHTTPServer"])
        )
    }

    @Test("each target imports only what the table allows")
    func imports() throws {
        #expect(Rules.wrongImports(try Repository.swiftFiles(under: "Sources")) == [])
    }

    @Test("the manifest gives each target no dependency that the table does not allow")
    func manifest() throws {
        let manifest = try Repository.file("Package.swift").text
        for rule in Rules.imports {
            let dependencies = Manifest.dependencies(of: rule.target, in: manifest)
            #expect(dependencies.subtracting(rule.allowed) == [], "of \(rule.target)")
        }
    }

    @Test("the pure target has no word of concurrency, clock, system or Foundation")
    func pure() throws {
        let files = try Repository.swiftFiles(under: "Sources/ApusWire")
        #expect(files.count > 10)
        #expect(Rules.impureWords(files) == [])
    }

    @Test("the library makes system calls in the listed files only, and lists no other")
    func systemCalls() throws {
        let files = try Repository.swiftFiles(under: "Sources").filter { $0.target != "ApusCLI" }
        #expect(Rules.systemCalls(files) == [])
        let offences = Rules.systemCalls(files, allowed: [])
        #expect(Rules.systemFiles.subtracting(offences.map(\.path)) == [], "listed without need")
    }

    @Test("the system's selector is named in its own file only")
    func selectorWords() throws {
        let files = try Repository.swiftFiles(under: "Sources")
        #expect(Rules.selectorWords(files) == [])
        #expect(!Rules.selectorWords(files, in: "").isEmpty, "the file that names it is there")
    }

    @Test("tasks are started in one file")
    func bareTasks() throws {
        #expect(Rules.bareTasks(try Repository.swiftFiles(under: "Sources")) == [])
    }

    @Test("no source file has more than 500 lines", arguments: ["Sources", "Tests", "Examples", "Benchmarks"])
    func length(folder: String) throws {
        #expect(Rules.tooLong(try Repository.swiftFiles(under: folder)) == [])
    }

    @Test("what the compiler cannot check says why")
    func unsafety() throws {
        #expect(Rules.unexplainedUnsafety(try Repository.swiftFiles(under: "Sources")) == [])
    }

    @Test("the library never ends the process on purpose")
    func crashes() throws {
        let files = try Repository.swiftFiles(under: "Sources").filter { $0.target != "ApusCLI" }
        #expect(Rules.crashes(files) == [])
        let found = Set(Rules.crashes(files, allowed: []).map(\.path))
        #expect(Rules.certainFiles.subtracting(found) == [], "listed without need")
    }

    @Test(
        "no file names a folder of somebody's machine",
        arguments: ["Sources", "Tests", "Examples", "Benchmarks", "docs", "scripts"]
    )
    func machinePaths(folder: String) throws {
        #expect(try Rules.machinePaths(Repository.files(under: folder)) == [])
    }

    @Test(
        "nor does a file at the top",
        arguments: ["Package.swift", "README.md", "run", "CONTRIBUTING.md", "Makefile"]
    )
    func machinePathsAtTheTop(name: String) throws {
        #expect(try Rules.machinePaths([Repository.file(name)]) == [])
    }
}

/// Every rule can be broken: a check that finds nothing in a bad sample proves nothing about a good tree.
@Suite("The rules themselves")
struct RuleSampleTests {
    private func sample(_ text: String, path: String = "Sources/ApusWire/Sample.swift") -> [SourceFile] {
        [SourceFile(path: path, text: text)]
    }

    @Test(
        "imports are found in every form",
        arguments: [
            ("import Foundation", "Foundation"), ("public import ApusNet", "ApusNet"),
            ("@testable import Apus", "Apus"),
            ("@_exported public import HTTPTypes", "HTTPTypes"), ("    import struct Glibc.timeval", "Glibc"),
            ("@_spi(Internal) import ApusRuntime", "ApusRuntime"),
        ]
    )
    func importForms(line: String, module: String) {
        #expect(Rules.importedModule(line) == module)
    }

    @Test("what is no import is none", arguments: ["// import Foundation", "let important = 1", "func importAll() {}"])
    func noImports(line: String) {
        #expect(sample(line)[0].code.compactMap { Rules.importedModule($0.text) } == [])
    }

    @Test("an import upward, of Foundation, or by an unknown target is an offence")
    func wrongImports() {
        #expect(Rules.wrongImports(sample("import HTTPTypes")) == [])
        #expect(Rules.wrongImports(sample("import ApusRuntime")).count == 1)
        #expect(Rules.wrongImports(sample("import ApusNet", path: "Sources/ApusRuntime/A.swift")).count == 1)
        #expect(Rules.wrongImports(sample("import FoundationEssentials", path: "Sources/ApusNet/A.swift")).count == 1)
        #expect(Rules.wrongImports(sample("import ApusTesting", path: "Sources/Apus/Apus.swift")).count == 1)
        #expect(Rules.wrongImports(sample("import HTTPTypes", path: "Sources/New/A.swift")).count == 1)
    }

    @Test("a dependency of the manifest is found")
    func manifest() {
        let manifest = """
            .target(name: "ApusWire", dependencies: [.httpTypes, "CApus"]),
            .target(
                name: "ApusNet",
                dependencies: ["ApusRuntime", .logging],
            ),
            """
        #expect(Manifest.dependencies(of: "ApusWire", in: manifest) == ["HTTPTypes", "CApus"])
        #expect(Manifest.dependencies(of: "ApusNet", in: manifest) == ["ApusRuntime", "Logging"])
    }

    @Test(
        "impure words are found, in comments too",
        arguments: [
            "func f() async {}", "await f()", "Task { }", "let t = ContinuousClock.now", "import Glibc",
            "// as Foundation does", "import FoundationEssentials",
        ]
    )
    func impure(line: String) {
        #expect(!Rules.impureWords(sample(line)).isEmpty)
    }

    @Test("words that only look impure are let be", arguments: ["asynchronous", "Tasks", "a.nowhere", "unawaited"])
    func pure(line: String) {
        #expect(Rules.impureWords(sample(line)) == [])
    }

    @Test("a word of the system's selector outside its file is found, but not in a comment")
    func selectorWords() {
        #expect(Rules.selectorWords(sample("let epoll = epoll_create1(0)")).count == 1)
        #expect(Rules.selectorWords(sample("// as epoll does")) == [])
    }

    @Test("a system import outside the list is found")
    func systemCalls() {
        #expect(Rules.systemCalls(sample("import Glibc")).count == 1)
        #expect(Rules.systemCalls(sample("import Glibc", path: "Sources/ApusNet/Socket.swift")) == [])
    }

    @Test(
        "a started task is found",
        arguments: [
            "Task { }", "let t = Task(priority: .high) {", "Task.detached {", "Task.immediate {", "return Task{ 1 }",
        ]
    )
    func tasks(line: String) {
        #expect(Rules.bareTasks(sample(line)).count == 1)
        #expect(Rules.bareTasks(sample(line, path: "Sources/ApusRuntime/Tasks/Spawn.swift")) == [])
    }

    @Test(
        "what starts no task is let be",
        arguments: ["LoopTask(task)", "try Task.checkCancellation()", "\"Task (\\(name))\"", "/// Task { } leaves it"]
    )
    func noTasks(line: String) {
        #expect(Rules.bareTasks(sample(line)) == [])
    }

    @Test("501 lines are too many, 500 are not")
    func length() {
        #expect(Rules.tooLong(sample(String(repeating: "x\n", count: 501))).count == 1)
        #expect(Rules.tooLong(sample(String(repeating: "x\n", count: 500))) == [])
    }

    @Test("unsafety without a reason is found, and with one near it is not")
    func unsafety() {
        #expect(Rules.unexplainedUnsafety(sample("final class A: @unchecked Sendable {}")).count == 1)
        #expect(Rules.unexplainedUnsafety(sample("nonisolated(unsafe) var a = 1")).count == 1)
        #expect(Rules.unexplainedUnsafety(sample("// One thread.\nfinal class A: @unchecked Sendable {}")) == [])
        let far = "// One thread.\n" + String(repeating: "\n", count: 10) + "unsafeBitCast(a, to: B.self)"
        #expect(Rules.unexplainedUnsafety(sample(far)).count == 1)
    }

    @Test(
        "ways to end the process are found",
        arguments: ["fatalError(\"x\")", "try! f()", "a as! B", "let b = a!", "a!.b()", "f()!.c", "a[0]!", "exit(1)"]
    )
    func crashes(line: String) {
        #expect(Rules.crashes(sample(line)).count == 1)
    }

    @Test("what only looks like one is not", arguments: ["a != b", "!a", "\"Hello!\"", "if !isOpen {", "a = !b"])
    func noCrashes(line: String) {
        #expect(Rules.crashes(sample(line)) == [])
    }

    @Test("paths of a machine are found, others are not")
    func machinePaths() throws {
        let slash = "/"
        for folder in ["work", "home/somebody", "Users/somebody", "root"] {
            #expect(try Rules.machinePaths(sample("see \(slash)\(folder)\(slash)x")).count == 1, "\(folder)")
        }
        #expect(try Rules.machinePaths(sample("see /usr/lib/x, docs/work/x and ../root/x")) == [])
    }
}

/// Reads as much of the manifest as the rules need.
enum Manifest {
    private static let products = [
        ".httpTypes": "HTTPTypes", ".dequeModule": "DequeModule", ".heapModule": "HeapModule", ".logging": "Logging",
        ".argumentParser": "ArgumentParser", ".metrics": "CoreMetrics", ".tracing": "Tracing", ".openSSL": "COpenSSL",
    ]

    static func dependencies(of target: String, in manifest: String) -> Set<String> {
        guard let start = manifest.range(of: "arget\\(\\s*name: \"\(target)\"", options: .regularExpression),
            let open = manifest.range(of: "[", range: start.upperBound..<manifest.endIndex),
            let close = manifest.range(of: "]", range: open.upperBound..<manifest.endIndex)
        else { return [] }
        let names = manifest[open.upperBound..<close.lowerBound].split(separator: ",")
            .map { $0.trimmingCharacters(in: .whitespacesAndNewlines) }.filter { !$0.isEmpty }
        return Set(names.map { products[$0] ?? $0.trimmingCharacters(in: ["\""]) })
    }
}
