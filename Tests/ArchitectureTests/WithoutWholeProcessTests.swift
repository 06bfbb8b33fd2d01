#if !WholeProcess
import Foundation
import Testing

/// For a build without the package's trait: `.ci/run` makes one.
@Suite("Without whole-process mode")
struct WithoutWholeProcessTests {
    @Test("whoever asks for it is told by the compiler what to enable")
    func unavailable() async throws {
        let folder = try makeScratchFolder()
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = folder.appending(path: "whole.swift")
        let source = "import Apus\nfunc program() throws { try EventLoop.run(.wholeProcess) {} }\n"
        try source.write(to: file, atomically: true, encoding: .utf8)
        let (status, messages) = try await UserCodeTests.typecheck(file.path)
        #expect(status != 0, "it compiles")
        #expect(
            messages.contains("error: 'wholeProcess' is unavailable: whole-process mode needs Swift 6.3"),
            "\(messages)"
        )
        #expect(messages.contains("traits: [.defaults, \"WholeProcess\"]"), "\(messages)")
    }
}
#endif
