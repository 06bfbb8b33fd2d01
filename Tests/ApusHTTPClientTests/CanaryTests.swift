import ApusHTTPClient
import ApusNet
import ApusRuntime
import ApusTesting
import ApusWire
import HTTPTypes
import Testing

@Suite("Secrets reach no log, error or debug print")
struct CanaryTests {
    /// What a reader of logs could see of a value.
    private static func sinks(_ value: Any) -> [String] {
        var dumped = ""
        dump(value, to: &dumped)
        return ["\(value)", String(reflecting: value), dumped, "\([value])"]
    }

    static let answers: [(name: String, steps: [ScriptStep])] = [
        ("refused", [.refuse]),
        ("closed", [.expectRequest, .finish]),
        ("malformed", [.expectRequest, .send("nonsense\r\n\r\n")]),
        ("cut in the body", [.expectRequest, .send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"), .finish]),
        ("silent", [.expectRequest, .stall]),
        ("404", [.expectRequest, .send("HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n")]),
        ("not JSON", [.expectRequest, .send(okResponse)]),
        ("redirect nowhere", [.expectRequest, .send(redirect("ftp://u:canary@h.test/p?q=canary"))]),
        ("redirect in circles", (0..<20).flatMap { _ in [.expectRequest, .send(redirect("/p?t=canary#canary"))] }),
        ("redirect to nonsense", [.expectRequest, .send(redirect("http://u:canary@[::1/?canary"))]),
        ("ok, then gone", [.expectRequest, .send(okResponse), .expectRequest, .reset]),
    ]

    private static func redirect(_ location: String) -> String {
        "HTTP/1.1 302 Found\r\nLocation: \(location)\r\nContent-Length: 0\r\n\r\n"
    }

    @Test("whatever goes wrong", arguments: answers)
    func errors(name: String, steps: [ScriptStep]) async throws {
        let log = LogRecorder()
        var configuration = ClientSession.Configuration()
        configuration.logger = log.logger
        configuration.baseURL = try URI("http://user:canary@script.test/")
        configuration.headers = [.authorization: "Bearer canary", .cookie: "canary"]
        let given = configuration
        try await withVirtualTime {
            let peer = ScriptedPeer { _ in steps }
            let session = ClientSession.scripted(peer, given)
            var seen = Self.sinks(given) + Self.sinks(session)
            for _ in 0..<2 {
                do {
                    let response = try await session.post(
                        "path?key=canary#canary",
                        params: ["token": "canary"],
                        headers: ["Cookie": "id=canary"],
                        body: .text("canary")
                    )
                    seen += Self.sinks(response) + Self.sinks(response.history) + Self.sinks(response.uri).dropFirst()
                    _ = try await response.json([Int].self)
                    try response.raiseForStatus()
                } catch {
                    var next: (any Error)? = error
                    while let error = next {
                        seen += Self.sinks(error)
                        next = (error as? ClientError)?.cause ?? (error as? NetError)?.cause
                    }
                }
            }
            seen += Self.sinks(await session.statistics) + Self.sinks(await session.hostStatistics)
            await session.close()
            do { _ = try await session.get("x?canary=canary") } catch { seen += Self.sinks(error) }
            seen += log.everything
            #expect(seen.count > 10)
            for text in seen where text.contains("canary") { Issue.record("\(name): \(text)") }
            if name != "refused" { #expect(peer.written().contains("canary"), "the request itself has them") }
        }
    }

    @Test("what cannot even be sent")
    func unsendable() async throws {
        try await withScripts(script: { _ in [] }) { session, _ in
            for url in [
                "canary", "http://u:canary@:80/?canary", "http://h h/?canary", "user:canary@host.test/",
                "foo://u:canary@h/?canary",
            ] {
                do {
                    _ = try await session.get(url)
                    Issue.record("\(url) was sent")
                } catch {
                    for text in Self.sinks(error) where text.contains("canary") { Issue.record("\(text)") }
                }
            }
            do {
                _ = try await session.get(someURL, headers: ["Cookie": "canary\r\nX: y"])
                Issue.record("a line break was sent")
            } catch {
                for text in Self.sinks(error) where text.contains("canary") { Issue.record("\(text)") }
            }
        }
    }
}
