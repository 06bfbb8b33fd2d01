import Apus
import ApusTesting
import Foundation
import HTTPTypes
import Synchronization
import Testing

/// The options that say what is sent, of the real command.
struct FetchRequestTests {
    /// Says what was asked: the method, the fields of interest, the body.
    private static let echo: HTTPServer.Handler = { request in
        let body = try await request.body.text()
        let fields = ["authorization", "cookie", "accept-encoding", "content-type", "x-test", "user-agent"]
        let shown = fields.map { name in
            "\(name)=\(HTTPField.Name(name).flatMap { request.headers[$0] } ?? "-")"
        }
        return .text("\(request.method) \(request.target) \(shown.joined(separator: ";")) \(body)")
    }

    @Test func aSingleURLGoesToStandardOutput() async throws {
        try await withBench { bench in
            try await TestServer.with({ _ in .text("hello") }) { server in
                let run = try await bench.fetch(server.url("/"))
                #expect(run.code == 0)
                #expect(run.output == "hello")
            }
        }
    }

    @Test func methodHeadersAndDataAreSent() async throws {
        try await withBench { bench in
            try await TestServer.with(Self.echo) { server in
                let put = try await bench.fetch(
                    "--method",
                    "PUT",
                    "-H",
                    "X-Test: one two",
                    "--data",
                    "a=b",
                    server.url("/x")
                )
                #expect(put.output.hasPrefix("PUT /x "))
                #expect(put.output.contains("x-test=one two"))
                #expect(put.output.contains("content-type=application/x-www-form-urlencoded"))
                #expect(put.output.hasSuffix(" a=b"))
                let post = try await bench.fetch("-d", "c", server.url("/x"))
                #expect(post.output.hasPrefix("POST /x "))
                try bench.write("from a file", to: "body")
                let file = try await bench.fetch("-d", "@body", "-H", "Content-Type: text/plain", server.url("/x"))
                #expect(file.output.contains("content-type=text/plain"))
                #expect(file.output.hasSuffix(" from a file"))
            }
        }
    }

    @Test func bodiesAreAskedForAsTheyAreUnlessCompressed() async throws {
        try await withBench { bench in
            // “hello\n”, by gzip -9n.
            let packed: [UInt8] = [
                0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 3, 0xcb, 0x48, 0xcd, 0xc9, 0xc9, 0xe7, 2, 0, 0x20, 0x30, 0x3a, 0x36, 6,
                0, 0, 0,
            ]
            try await TestServer.with({ request in
                let accepted = request.headers[.acceptEncoding] ?? ""
                guard accepted.contains("gzip") else { return .text("plain, for \(accepted)") }
                return ServerResponse(headers: [.contentEncoding: "gzip"], bytes: packed)
            }) { server in
                let plain = try await bench.fetch(server.url())
                #expect(plain.output == "plain, for identity")
                let coded = try await bench.fetch("--compressed", server.url())
                #expect(coded.output == "hello\n")
            }
        }
    }

    @Test func secretsGoToTheFirstURLsServerOnlyAndTheOthersAreCounted() async throws {
        try await withBench { bench in
            try await TestServer.with(Self.echo) { first in
                try await TestServer.with(Self.echo) { other in
                    let run = try await bench.fetch(
                        "-u",
                        "ada:secret",
                        "-H",
                        "Cookie: a=b",
                        "-o",
                        "out",
                        "--tree",
                        first.url("/1"),
                        other.url("/2"),
                        other.url("/3")
                    )
                    #expect(run.code == 0)
                    let at = { (server: TestServer, name: String) in
                        bench.read("out/\(server.server.address)/\(name)".replacing(":", with: "_")) ?? ""
                    }
                    #expect(at(first, "1").contains("authorization=Basic YWRhOnNlY3JldA==;cookie=a=b;"))
                    #expect(at(other, "2").contains("authorization=-;cookie=-;"))
                    #expect(at(other, "3").contains("authorization=-;cookie=-;"))
                    #expect(run.errors.contains("2 URLs"))
                    #expect(!(run.output + run.errors).contains("secret"))
                }
            }
        }
    }

    @Test func secretsGoToTheServerOfAuthHost() async throws {
        try await withBench { bench in
            try await TestServer.with(Self.echo) { first in
                try await TestServer.with(Self.echo) { other in
                    let run = try await bench.fetch(
                        "-u",
                        "ada:secret",
                        "--auth-host",
                        other.url("/"),
                        "-o",
                        "out",
                        first.url("/1"),
                        other.url("/2")
                    )
                    #expect(run.code == 0)
                    #expect(bench.read("out/1")?.contains("authorization=-;") == true)
                    #expect(bench.read("out/2")?.contains("authorization=Basic YWRhOnNlY3JldA==;") == true)
                }
            }
        }
    }

    @Test func aRedirectElsewhereTakesNoSecretAlong() async throws {
        try await withBench { bench in
            try await TestServer.with(Self.echo) { other in
                let target = other.url("/there")
                try await TestServer.with({ _ in .status(.found, headers: [.location: target]) }) { first in
                    let run = try await bench.fetch("-u", "ada:secret", "-H", "Cookie: a=b", first.url("/"))
                    #expect(run.output.contains("authorization=-;cookie=-;"))
                }
            }
        }
    }

    @Test func noCookieIsKeptUnlessThereIsAJar() async throws {
        try await withBench { bench in
            let handler: HTTPServer.Handler = { request in
                ServerResponse(
                    headers: [.setCookie: "seen=yes; Max-Age=1000"],
                    bytes: Array((request.headers[.cookie] ?? "none").utf8)
                )
            }
            try await TestServer.with(handler) { server in
                let urls = [server.url("/1"), server.url("/2")]
                _ = try await bench.fetch("-o", "out", "-c", "1", urls[0], urls[1])
                #expect(bench.read("out/2") == "none")
                _ = try await bench.fetch("-o", "out", "-c", "1", "--cookie-jar", "jar", urls[0], urls[1])
                #expect(bench.read("out/1") == "none")
                #expect(bench.read("out/2") == "seen=yes")
                #expect(bench.mode("jar") == 0o600)
                // The next run has it from the file.
                let outcome1 = try await bench.fetch("--cookie-jar", "jar", urls[0])
                #expect(outcome1.output == "seen=yes")
            }
        }
    }

    @Test func aProxyIsUsedIfTheOptionOrTheEnvironmentNamesOne() async throws {
        try await withBench { bench in
            try await TestServer.with({ .text("by proxy: \($0.target)") }) { proxy in
                let proxyURL = proxy.url("")
                let target = "http://origin.invalid/x"
                let outcome2 = try await bench.fetch("--proxy", proxyURL, target)
                #expect(outcome2.output == "by proxy: \(target)")
                let environment = try await bench.fetch(target, environment: ["http_proxy": proxyURL])
                #expect(environment.output == "by proxy: \(target)")
                let direct = try await bench.fetch(
                    "--proxy",
                    "direct",
                    "--retries",
                    "0",
                    target,
                    environment: ["http_proxy": proxyURL]
                )
                #expect(direct.code == 1)
                // A stranger may have set it: a CGI program's client.
                let foreign = try await bench.fetch(
                    "--retries",
                    "0",
                    target,
                    environment: ["HTTP_PROXY": proxyURL, "REQUEST_METHOD": "GET"]
                )
                #expect(foreign.code == 1)
            }
        }
    }

    @Test func redirectsAreFollowedUpToTheLimit() async throws {
        try await withBench { bench in
            let handler: HTTPServer.Handler = { request in
                let step = Int(request.path.dropFirst()) ?? 0
                if step == 0 { return .text("there") }
                return .status(.found, headers: [.location: "/\(step - 1)"])
            }
            try await TestServer.with(handler) { server in
                let outcome3 = try await bench.fetch("--max-redirects", "3", server.url("/3"))
                #expect(outcome3.output == "there")
                let far = try await bench.fetch("--max-redirects", "2", "--report", "r", "-o", "out", server.url("/3"))
                #expect(far.code == 1)
                #expect(try bench.report("r").first?.error == "tooManyRedirects")
                let one = try await bench.fetch("--report", "r", "-o", "out", server.url("/1"))
                #expect(one.code == 0)
                #expect(try bench.report("r").first?.final_url == server.url("/0"))
            }
        }
    }

    #if TLS
    @Test func serversAreCheckedAsTheTLSOptionsSay() async throws {
        try await withBench { bench in
            let authority = try TestCertificateAuthority()
            try bench.write(authority.certificate, to: "ca.pem")
            var configuration = HTTPServer.Configuration()
            configuration.tls = TLSServerConfiguration(
                identity: try authority.issue(names: ["localhost"], addresses: ["127.0.0.1"])
            )
            try await TestServer.with(configuration: configuration, { _ in .text("safe") }) { server in
                let url = "https://\(server.server.address)/"
                let refused = try await bench.fetch("--retries", "0", url)
                #expect(refused.code == 1)
                #expect(refused.errors.contains("tlsFailed"))
                let outcome4 = try await bench.fetch("--cacert", "ca.pem", url)
                #expect(outcome4.output == "safe")
                let outcome5 = try await bench.fetch("--insecure", url)
                #expect(outcome5.output == "safe")
            }
        }
    }

    @Test func aClientCertificateIsShown() async throws {
        try await withBench { bench in
            try await bench.withServerThatKnowsItsClients { url in
                let outcome6 = try await bench.fetch("--cacert", "ca.pem", "--retries", "0", url)
                #expect(outcome6.code == 1)
                let run = try await bench.fetch(
                    "--cacert",
                    "ca.pem",
                    "--cert",
                    "client.pem",
                    "--key",
                    "client.key",
                    url
                )
                #expect(run.output == "known")
            }
        }
    }
    #endif
}
