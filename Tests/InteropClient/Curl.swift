import Foundation
import Subprocess

/// What a client made of a request.
struct Outcome: Sendable {
    var status: Int
    var redirects = 0
    /// Where the last answer came from.
    var finalURL: String
    var body: [UInt8]
}

/// curl, which says what the right answer is.
struct Curl: Sendable {
    struct Failure: Error, CustomStringConvertible {
        var description: String
    }

    let path: String
    /// For bodies.
    let folder: String
    /// The certificate authority, in a PEM file.
    let authority: String

    func authorityText() throws -> String { try String(contentsOfFile: authority, encoding: .utf8) }

    func callAsFunction(_ url: String, _ arguments: [String]) async throws -> Outcome {
        let file = "\(folder)/curl.body"
        try? FileManager.default.removeItem(atPath: file)
        let result = try await run(
            // By a path, for which swift-subprocess would need another module.
            .name("env"),
            arguments: .init(
                [
                    path, "-sS", "-L", "--max-redirs", "10", "--noproxy", "*", "--cacert", authority, "--max-time",
                    "60",
                    "-o", file, "-w", "%{http_code} %{num_redirects} %{url_effective}",
                ] + arguments + [url]
            ),
            output: .string(limit: 65_536),
            error: .string(limit: 65_536)
        )
        guard result.terminationStatus.isSuccess else {
            throw Failure(description: "curl: \(result.standardError)")
        }
        let words = result.standardOutput.split(separator: " ", maxSplits: 2)
        guard words.count == 3, let status = Int(words[0]), let redirects = Int(words[1]) else {
            throw Failure(description: "curl said “\result.standardOutput”")
        }
        // No body, no file.
        let body = FileManager.default.contents(atPath: file).map { [UInt8]($0) } ?? []
        return Outcome(status: status, redirects: redirects, finalURL: String(words[2]), body: body)
    }
}
