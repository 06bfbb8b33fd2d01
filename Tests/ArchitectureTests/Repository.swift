import Dispatch
import Foundation

/// A text file of the repository.
struct SourceFile: Sendable {
    /// From the repository's root, such as `Sources/ApusRuntime/Loop/EventLoop.swift`.
    var path: String
    var text: String

    var lines: [Substring] { text.split(separator: "\n", omittingEmptySubsequences: false) }
    /// `Sources/<target>/…`.
    var target: String { path.split(separator: "/").dropFirst().first.map(String.init) ?? "" }

    /// The lines without what is a comment, or stands in one: good enough for our own style, which has no block comments.
    var code: [(number: Int, text: String)] {
        lines.enumerated().map { index, line in
            let text = line.range(of: "//").map { String(line[..<$0.lowerBound]) } ?? String(line)
            return (index + 1, text)
        }
    }
}

/// A place that breaks a rule.
struct Offence: Hashable, CustomStringConvertible {
    var path: String
    var line: Int
    var what: String

    var description: String { "\(path):\(line): \(what)" }
}

enum Repository {
    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    /// The Swift files under a folder, links left out: they are read where they lead to.
    static func swiftFiles(under folder: String) throws -> [SourceFile] {
        try files(under: folder).filter { $0.path.hasSuffix(".swift") }
    }

    static func files(under folder: String) throws -> [SourceFile] {
        let start = root.appending(path: folder)
        guard
            let walk = FileManager.default.enumerator(
                at: start,
                includingPropertiesForKeys: [.isRegularFileKey, .isSymbolicLinkKey],
                options: [.skipsHiddenFiles]
            )
        else { return [] }
        var result: [SourceFile] = []
        for case let url as URL in walk {
            // Built things, which are not the repository's.
            if ["node_modules", "target", "__pycache__"].contains(url.lastPathComponent) {
                walk.skipDescendants()
                continue
            }
            let values = try url.resourceValues(forKeys: [.isRegularFileKey, .isSymbolicLinkKey])
            guard values.isRegularFile == true, values.isSymbolicLink != true else { continue }
            if let text = try? String(contentsOf: url, encoding: .utf8) {
                result.append(SourceFile(path: relative(url), text: text))
            }
        }
        return result.sorted { $0.path < $1.path }
    }

    static func file(_ path: String) throws -> SourceFile {
        SourceFile(path: path, text: try String(contentsOf: root.appending(path: path), encoding: .utf8))
    }

    private static func relative(_ url: URL) -> String {
        let prefix = root.path.hasSuffix("/") ? root.path : root.path + "/"
        return url.path.hasPrefix(prefix) ? String(url.path.dropFirst(prefix.count)) : url.path
    }

    // MARK: What the tests were built into

    struct NotBuilt: Error, CustomStringConvertible {
        var description: String
    }

    /// The folder with the modules and programs that these tests were built with.
    static func products() throws -> URL {
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
        throw NotBuilt(description: "no folder above the test bundle holds Modules/Apus.swiftmodule")
    }

    /// Programs run one after the other, and off the pool of tasks: the tests that run meanwhile need its few threads.
    private static let queue = DispatchQueue(label: "programs")

    /// Runs a program and returns its exit status and all that it printed.
    static func run(_ program: URL, _ arguments: [String] = []) async throws -> (status: Int32, output: String) {
        try await withCheckedThrowingContinuation { continuation in
            queue.async { continuation.resume(with: Result { try runHere(program, arguments) }) }
        }
    }

    private static func runHere(_ program: URL, _ arguments: [String]) throws -> (status: Int32, output: String) {
        let process = Process()
        process.executableURL = program
        process.arguments = arguments
        let pipe = Pipe()
        process.standardOutput = pipe
        process.standardError = pipe
        try process.run()
        let output = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: output, as: UTF8.self))
    }
}
