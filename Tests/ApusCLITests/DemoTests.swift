import Foundation
import Testing

@testable import ApusCLI

@Suite struct DemoTests {
    /// `DocumentationSnippetTests` compiles what the README shows, and compares the compiler's words. So the demo's are true too.
    @Test func whatTheDemoSaysOfTheCompilerIsWhatTheReadmeSays() throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let readme = try String(contentsOf: root.appending(path: "README.md"), encoding: .utf8)
        #expect(readme.contains("```swift\n\(Demo.unprotected)\n// \(Demo.compilerSays)\n```"))
    }
}
