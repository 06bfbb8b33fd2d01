import ApusHTTPClient
import ApusHTTPServer
import ApusNet
import ApusRuntime
import ApusTesting
import ApusWire
import HTTPTypes
import Testing

@Suite("C40, C47: what a response tells")
struct ResponseFactsTests {
    @Test("status, reason, version, type, disposition, links, Last-Modified")
    func head() async throws {
        let answer =
            "HTTP/1.0 404 Nowhere\r\nContent-Type: Text/HTML; charset=gbk\r\n"
            + "Content-Disposition: attachment; filename*=UTF-8''%e2%82%ac.txt\r\n"
            + "Link: </2>; rel=next, <https://other.test/>; rel=\"prev last\"\r\n"
            + "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 0\r\n\r\n"
        try await withScripts([.expectRequest, .send(answer)]) { session, _ in
            let response = try await session.get(someURL)
            #expect(!response.isOK && response.reason == "Nowhere" && response.version == "HTTP/1.0")
            #expect(response.contentType?.essence == "text/html" && response.contentType?.charset == "gbk")
            #expect(response.contentDisposition?.filename == "€.txt")
            #expect(response.links.map { "\($0.target)" } == ["http://script.test/2", "https://other.test/"])
            #expect(response.lastModified?.secondsSince1970 == 784_111_777)
            #expect(response.tls == nil && response.remoteAddress == nil)
        }
        try await withScripts([.expectRequest, .send(okResponse)]) { session, _ in
            let response = try await session.get(someURL)
            #expect(response.isOK && response.version == "HTTP/1.1")
            #expect(response.contentType == nil && response.contentDisposition == nil && response.links.isEmpty)
        }
    }

    @Test("addresses are those of the connection, also when it is closed by then")
    func addresses() async throws {
        try await withTestLoop {
            try await TestServer.with({ _ in .text("x") }) { server in
                let session = ClientSession()
                let response = try await session.get(server.url())
                await session.close()
                #expect("http://\(response.remoteAddress.map { "\($0)" } ?? "")/" == server.url("/"))
                #expect(response.localAddress?.port != nil && response.localAddress != response.remoteAddress)
            }
        }
    }

    @Test("timings: of a new connection with its parts, of a kept one without; the total when the body is read")
    func timings() async throws {
        let slow: [ScriptStep] = [
            .wait(.seconds(1)), .expectRequest, .wait(.seconds(2)),
            .send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no"),
            .wait(.seconds(4)), .send("k"), .expectRequest, .wait(.seconds(8)), .send(okResponse),
        ]
        try await withScripts(slow) { session, _ in
            let response = try await session.get(someURL)
            let before = await response.timings
            #expect(before.acquire == .seconds(1) && before.firstByte == .seconds(2) && before.total == nil)
            _ = try await response.bytes()
            let after = await response.timings
            #expect(after.total == .seconds(7))
            let kept = await (try await session.get(someURL)).timings
            #expect(
                kept.acquire == nil && kept.connect == nil && kept.firstByte == .seconds(8) && kept.total == .seconds(8)
            )
        }
        try await withTestLoop {
            try await TestServer.with({ _ in .text("x") }) { server in
                try await ClientSession.with { session in
                    let timings = await (try await session.get(server.url())).timings
                    #expect(
                        timings.lookup != nil && timings.connect != nil && timings.handshake == nil
                            && timings.acquire != nil
                    )
                }
            }
        }
    }

    @Test("a chain of redirects counts from its beginning")
    func redirectTimings() async throws {
        try await withScripts(
            [
                .expectRequest, .wait(.seconds(3)),
                .send("HTTP/1.1 302 Found\r\nLocation: /2\r\nContent-Length: 0\r\n\r\n"),
                .expectRequest, .wait(.seconds(2)), .send(okResponse),
            ]
        ) { session, _ in
            let timings = await (try await session.get(someURL)).timings
            #expect(timings.total == .seconds(5) && timings.firstByte == .seconds(2))
        }
    }

    @Test("raiseForStatus: by hand, for a request, for a session; the error has the status and what came of the body")
    func raising() async throws {
        let answer = "HTTP/1.1 422 Wrong\r\nContent-Length: 3\r\n\r\nwhy"
        @Sendable func check(_ error: ClientError?) {
            #expect(error?.code == .statusNotSuccess && error?.status?.code == 422)
            #expect(error?.bodyPrefix == Array("why".utf8))
            #expect(error.map { "\($0)" }?.contains("why") == false, "bodies are not described")
            #expect(error?.url == "http://script.test/path?…")
        }
        try await withScripts([.expectRequest, .send(answer)]) { session, _ in
            let response = try await session.get(someURL + "?secret=1")
            check(await clientError { try response.raiseForStatus() })
        }
        try await withScripts([.expectRequest, .send(answer)]) { session, _ in
            check(
                await clientError {
                    try await session.get(someURL + "?secret=1", options: RequestOptions(raiseForStatus: true))
                }
            )
        }
        var configuration = ClientSession.Configuration()
        configuration.raiseForStatus = true
        try await withScripts(
            [.expectRequest, .send(answer), .expectRequest, .send(answer), .expectRequest, .send(okResponse)],
            configuration: configuration
        ) { session, _ in
            check(await clientError { try await session.get(someURL + "?secret=1") })
            let response = try await session.get(someURL, options: RequestOptions(raiseForStatus: false))
            #expect(response.status.code == 422)
            try await expectOK(session)
        }
    }

    @Test("a raised status releases a body that is still coming, and a coded beginning is decoded")
    func raisingReleases() async throws {
        try await withScripts([.expectRequest, .send("HTTP/1.1 500 No\r\nContent-Length: 100\r\n\r\nhalf"), .stall]) {
            session,
            peer in
            let error = await clientError {
                try await session.get(someURL, options: RequestOptions(raiseForStatus: true))
            }
            #expect(error?.code == .statusNotSuccess && peer.end() == .closed)
        }
        try await withScripts([.expectRequest, .send(coded("gzip", Encoders.gzip("reason"), head: "HTTP/1.1 500 No"))])
        { session, _ in
            let error = await clientError {
                try await session.get(someURL, options: RequestOptions(raiseForStatus: true))
            }
            #expect(error?.bodyPrefix == Array("reason".utf8))
        }
    }
}
