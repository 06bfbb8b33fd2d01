import ApusHTTPClient
import ApusNet
import ApusRuntime
import ApusTesting
import ApusWire
import Glibc
import HTTPTypes
import Testing

@Suite("Digest authentication")
struct DigestTests {
    private static let url = "http://a.test/dir/page?q=1"
    private static let ada = Authentication.digest("ada", "canary")

    private func check(_ body: @escaping @Sendable () async throws -> Void) async throws {
        try await withVirtualTime {
            let left = try await leaks { try await body() }
            #expect(left.isEmpty, "\(left)")
        }
    }

    /// A session whose every request goes to `server`, and what it has been asked.
    private func withServer(
        _ rules: DigestServer.Rules = .init(),
        _ configuration: ClientSession.Configuration = .init(),
        _ body: @escaping @Sendable (ClientSession, MockTransport, DigestServer) async throws -> Void
    ) async throws {
        try await check {
            let server = DigestServer(rules)
            let mock = MockTransport { server.answer($0) }
            let session = ClientSession.mocked(mock, configuration)
            try await body(session, mock, server)
            await session.close()
            #expect(mock.problems.isEmpty)
        }
    }

    /// Expects that Ada's request is answered with this status.
    private static func expect(
        _ status: Int,
        _ session: ClientSession,
        _ url: String = url,
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let response = try await session.get(url, auth: ada)
        _ = try await response.bytes()
        #expect(response.status.code == status, sourceLocation: sourceLocation)
    }

    private static func expectOK(_ response: ClientResponse, sourceLocation: SourceLocation = #_sourceLocation) {
        #expect(response.status == .ok, sourceLocation: sourceLocation)
    }

    // MARK: Answers

    static let algorithmNames = ["MD5", "SHA", "SHA-256", "SHA-512-256", "SHA-512"].flatMap { [$0, "\($0)-sess"] }

    @Test("C22: each algorithm and protection is answered with what the server expects", arguments: algorithmNames)
    func algorithms(algorithm: String) async throws {
        for qop in ["auth", "auth-int", "auth,auth-int", nil] {
            try await withServer(.init(algorithm: algorithm, qop: qop)) { session, _, server in
                for _ in 1...2 {
                    let text = try await session.post(Self.url, body: .text("body"), auth: Self.ada).text()
                    #expect(text == "welcome")
                }
                #expect(server.log == ["no proof", "ok 1", "ok 2"], "\(qop ?? "no qop")")
            }
        }
        try await withServer(.init(algorithm: algorithm, more: "userhash=true, opaque=\"o\"")) { session, _, server in
            try await Self.expect(200, session)
            #expect(server.log == ["no proof", "ok 1"])
        }
    }

    @Test("C22: after the first challenge each request brings its proof at once, with the next count")
    func preemptive() async throws {
        try await withServer { session, mock, server in
            for _ in 1...3 { try await Self.expect(200, session) }
            try await Self.expect(200, session, "http://a.test/elsewhere")
            #expect(server.log == ["no proof", "ok 1", "ok 2", "ok 3", "ok 4"])
            let nonces = Set(
                mock.requests.compactMap { $0.headers[.authorization] }.compactMap {
                    AuthenticationChallenge.parse([$0]).first?["cnonce"]
                }
            )
            #expect(nonces.count == 4, "a client nonce is never used twice")
            // Other credentials, another origin, and nobody: they begin anew.
            _ = try await session.get(Self.url, auth: .digest("eve", "pw"))
            _ = try await session.get("http://b.test/dir/page?q=1", auth: Self.ada)
            _ = try await session.get(Self.url)
            let firsts = mock.requests.suffix(5).map { $0.headers[.authorization] == nil }
            #expect(firsts == [true, false, true, false, true])
        }
    }

    @Test("C22: domain says where a proof is sent at once; elsewhere the server has to ask")
    func domain() async throws {
        try await withServer(.init(more: "domain=\"/dir http://other.test/x\"")) { session, mock, server in
            try await Self.expect(200, session)
            try await Self.expect(200, session, "http://a.test/dir/sub")
            try await Self.expect(200, session, "http://a.test/dirt")
            #expect(server.log == ["no proof", "ok 1", "ok 2", "no proof", "ok 3"])
            // The server may not name other origins.
            _ = try await session.get("http://other.test/x", auth: Self.ada)
            let first = mock.requests.first { $0.url == "http://other.test/x" }
            #expect(first?.headers[.authorization] == nil)
        }
    }

    @Test("C22: a stale nonce costs one more request, and nextnonce none", arguments: [true, false])
    func stale(saysStale: Bool) async throws {
        try await withServer(.init(uses: 2, saysStale: saysStale)) { session, _, server in
            for _ in 1...3 { try await Self.expect(200, session) }
            #expect(server.log == ["no proof", "ok 1", "ok 2", "used up", "ok 1"])
        }
        try await withServer(.init(uses: 1, namesNext: true)) { session, _, server in
            for _ in 1...3 { try await Self.expect(200, session) }
            #expect(server.log == ["no proof", "ok 1", "ok 1", "ok 1"])
        }
    }

    @Test("C22: a server's own proof (rspauth) is not asked for: what it says there changes nothing")
    func serverProof() async throws {
        try await check {
            let server = DigestServer()
            let mock = MockTransport { request in
                var answer = server.answer(request)
                let info = HTTPField.Name("Authentication-Info")!
                answer.headers[info] = "rspauth=\"0000\", cnonce=\"other\", nc=7, qop=auth"
                return answer
            }
            let session = ClientSession.mocked(mock)
            try await Self.expect(200, session)
            try await Self.expect(200, session)
            await session.close()
            #expect(server.log == ["no proof", "ok 1", "ok 2"])
        }
    }

    @Test("C22: wrong credentials are sent once; the 401 is the answer, and an error where statuses are")
    func wrong() async throws {
        try await withServer(.init(password: "another")) { session, _, server in
            for _ in 1...2 {
                let response = try await session.get(Self.url, auth: Self.ada)
                let text = try await response.text()
                #expect((response.status.code, text) == (401, "no"))
            }
            #expect(server.log == ["no proof", "wrong", "no proof", "wrong"])
            let strict = RequestOptions(raiseForStatus: true)
            let error = await clientError { try await session.get(Self.url, auth: Self.ada, options: strict) }
            #expect(error?.code == .statusNotSuccess && error?.status?.code == 401)
        }
        // The password was changed at the server: the same nonce refused without being stale.
        try await check {
            let first = DigestServer(.init(more: "opaque=\"1\""))
            let second = DigestServer(.init(password: "new"))
            let mock = MockTransport { $0.query == "2" ? second.answer($0) : first.answer($0) }
            let session = ClientSession.mocked(mock)
            try await Self.expect(200, session)
            try await Self.expect(401, session, "http://a.test/?2")
            #expect(second.log == ["wrong"])
            await session.close()
        }
    }

    @Test("C22: at most one retry, whatever the server says")
    func oneRetry() async throws {
        try await withServer(.init(uses: 0)) { session, mock, _ in
            try await Self.expect(401, session)
            #expect(mock.requests.count == 2)
        }
    }

    // MARK: What servers offer

    private func answers(
        to fields: HTTPFields,
        _ body: @escaping @Sendable (ClientSession, MockTransport) async throws -> Void
    ) async throws {
        try await check {
            let mock = MockTransport { request in
                request.headers[.authorization] == nil
                    ? .text("no", status: .unauthorized, headers: fields) : .text("in")
            }
            let session = ClientSession.mocked(mock)
            try await body(session, mock)
            await session.close()
            for request in mock.requests {
                let values = request.headers.map(\.value).joined()
                #expect(!values.contains("canary"))
            }
        }
    }

    private static func offered(_ lines: String...) -> HTTPFields {
        var fields: HTTPFields = [:]
        for line in lines { fields.append(HTTPField(name: .wwwAuthenticate, value: line)) }
        return fields
    }

    @Test("C22: of several challenges, in one line or several, the strongest Digest is answered, and never Basic")
    func choice() async throws {
        let basic = "Basic realm=\"x\""
        let md5 = "Digest realm=\"r\", nonce=\"md5\", qop=\"auth\", algorithm=MD5"
        let sha = "Digest realm=\"r\", nonce=\"sha\", qop=\"auth\", algorithm=SHA-256"
        let lists = [
            Self.offered("\(basic), \(md5), \(sha)"), Self.offered(sha, basic, md5),
            Self.offered(md5, "\(sha), \(basic)"),
        ]
        for list in lists {
            try await answers(to: list) { session, mock in
                try await Self.expect(200, session)
                let proof = mock.requests.last?.headers[.authorization] ?? ""
                #expect(proof.contains("nonce=\"sha\""), "\(list)")
            }
        }
        for list in [Self.offered(basic), Self.offered("Negotiate", basic), HTTPFields()] {
            try await answers(to: list) { session, mock in
                let response = try await session.get(Self.url, auth: Self.ada)
                let text = try await response.text()
                #expect((response.status.code, text) == (401, "no"))
                #expect(mock.requests.count == 1)
            }
        }
    }

    @Test(
        "C22: a challenge that cannot be answered is an error that says why",
        arguments: [
            ("Digest nonce=\"n\"", "realm"), ("Digest realm=\"r\"", "nonce"),
            ("Digest realm=\"r\", nonce=\"\"", "nonce"),
            ("Digest realm=\"r\", nonce=\"n\", algorithm=XYZ", "algorithm"),
            ("Digest realm=\"r\", nonce=\"n\", qop=\"x\"", "qop"),
            ("Digest realm=\"r\", nonce=\"n\", nonce=\"o\"", "two values"), ("Digest", "realm"),
        ]
    )
    func hostile(challenge: String, word: String) async throws {
        try await answers(to: Self.offered(challenge)) { session, mock in
            let error = await clientError { try await session.get(Self.url, auth: Self.ada) }
            #expect(error?.code == .authenticationFailed)
            #expect(error?.message.contains(word) == true, "\(error?.message ?? "")")
            #expect(mock.requests.count == 1)
        }
    }

    @Test("C22: a server that asks for a weaker hash than before is refused")
    func downgrade() async throws {
        try await check {
            let strong = DigestServer(.init(uses: 1))
            let weak = DigestServer(.init(algorithm: "MD5"))
            let other = DigestServer(.init(realm: "another", algorithm: "MD5"))
            let mock = MockTransport { request in
                switch request.path {
                case "/weak": weak.answer(request)
                case "/other": other.answer(request)
                default: strong.answer(request)
                }
            }
            let session = ClientSession.mocked(mock)
            try await Self.expect(200, session)
            let error = await clientError { try await session.get("http://a.test/weak", auth: Self.ada) }
            #expect(error?.code == .authenticationFailed)
            #expect(error?.message.contains("MD5") == true && error?.message.contains("SHA-256") == true)
            try await Self.expect(200, session, "http://a.test/other")
            try await Self.expect(200, session)
            await session.close()
        }
    }

    @Test("C22: realms beside each other, and one that changes")
    func realms() async throws {
        try await check {
            let one = DigestServer(.init(realm: "one", more: "domain=\"/one\""))
            let two = DigestServer(.init(realm: "two", algorithm: "MD5", more: "domain=\"/two\""))
            let mock = MockTransport { $0.path.hasPrefix("/one") ? one.answer($0) : two.answer($0) }
            let session = ClientSession.mocked(mock)
            for _ in 1...2 {
                try await Self.expect(200, session, "http://a.test/one/x")
                try await Self.expect(200, session, "http://a.test/two/x")
            }
            #expect(one.log == ["no proof", "ok 1", "ok 2"])
            #expect(two.log == ["no proof", "ok 1", "ok 2"])
            await session.close()
        }
        try await check {
            let before = DigestServer(.init(realm: "before"))
            let after = DigestServer(.init(realm: "after"))
            let mock = MockTransport { $0.query == "after" ? after.answer($0) : before.answer($0) }
            let session = ClientSession.mocked(mock)
            try await Self.expect(200, session)
            for _ in 1...2 { try await Self.expect(200, session, "http://a.test/?after") }
            #expect(after.log.contains("ok 1") && after.log.last == "ok 2")
            await session.close()
        }
    }

    // MARK: Bodies

    @Test("C22: a body is sent again if it can be, and otherwise the error says what to do")
    func bodies() async throws {
        try await withServer(.init(qop: "auth,auth-int")) { session, _, server in
            let again = RequestBody.written { try await $0.write("again") }
            Self.expectOK(try await session.post(Self.url, body: again, auth: Self.ada))
            // The proof comes at once now: the body is made once only.
            let once = RequestBody.written(isRestartable: false) { try await $0.write("once") }
            Self.expectOK(try await session.post(Self.url, body: once, auth: Self.ada))
            #expect(server.log == ["no proof", "ok 1", "ok 2"])
        }
        try await withServer { session, mock, _ in
            let once = RequestBody.written(isRestartable: false) { try await $0.write("once") }
            let error = await clientError { try await session.post(Self.url, body: once, auth: Self.ada) }
            #expect(error?.code == .bodyNotRestartable)
            #expect(mock.requests.count == 1)
        }
    }

    @Test(
        "C22: auth-int: files, multiparts and large bodies are hashed where they are; what is written meanwhile cannot be"
    )
    func bodyHashes() async throws {
        try await withScratchFolder { folder in
            let path = "\(folder)/body"
            let bytes = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
            let written = bytes.withUnsafeBytes { buffer in
                guard let file = fopen(path, "w") else { return false }
                defer { fclose(file) }
                return fwrite(buffer.baseAddress, 1, buffer.count, file) == buffer.count
            }
            #expect(written)
            try await withServer(.init(algorithm: "SHA-256-sess", qop: "auth-int")) { session, _, server in
                let file = RequestBody.file(path)
                Self.expectOK(try await session.put(Self.url, body: file, auth: Self.ada))
                Self.expectOK(try await session.put(Self.url, body: .bytes(bytes), auth: Self.ada))
                let part = RequestBody.file(path, range: 1000..<2000)
                Self.expectOK(try await session.put(Self.url, body: part, auth: Self.ada))
                var form = Multipart()
                form.append("a", "b")
                form.append("file", .file(path, range: 0..<100_000), filename: "x")
                Self.expectOK(try await session.post(Self.url, multipart: form, auth: Self.ada))
                Self.expectOK(try await session.post(Self.url, form: ["a": "b"], auth: Self.ada))
                #expect(server.log == ["no proof", "ok 1", "ok 2", "ok 3", "ok 4", "ok 5"])
                let stream = RequestBody.written { try await $0.write("x") }
                let error = await clientError { try await session.post(Self.url, body: stream, auth: Self.ada) }
                #expect(error?.code == .bodyNotRestartable && error?.message.contains("auth-int") == true)
                form.append("made", .written { try await $0.write("x") }, filename: nil)
                let unhashable = form
                let second = await clientError {
                    try await session.post(Self.url, multipart: unhashable, auth: Self.ada)
                }
                #expect(second?.code == .bodyNotRestartable)
            }
        }
    }

    // MARK: Redirects and sessions

    @Test(
        "C22: credentials stay at the first origin: a redirect elsewhere is not answered there, nor after coming back"
    )
    func redirects() async throws {
        try await check {
            let server = DigestServer()
            let mock = MockTransport { request in
                switch request.url {
                case "http://a.test/same": .redirect(to: "/dir/page?q=1")
                case "http://a.test/out": .redirect(to: "http://b.test/back")
                case "http://b.test/back": .redirect(to: Self.url)
                case "http://a.test/other": .redirect(to: "http://b.test/")
                default: server.answer(request)
                }
            }
            let session = ClientSession.mocked(mock)
            try await Self.expect(200, session, "http://a.test/same")
            for path in ["other", "out"] {
                let before = mock.requests.count
                try await Self.expect(401, session, "http://a.test/\(path)")
                for request in mock.requests.dropFirst(before + 1) {
                    #expect(request.headers[.authorization] == nil, "\(request)")
                }
            }
            await session.close()
        }
    }

    @Test("C22: a session's digest answers its own origins only")
    func sessionDefault() async throws {
        var configuration = ClientSession.Configuration()
        configuration.auth = Self.ada
        configuration.secretOrigins = [try URI("http://a.test/").origin]
        try await withServer(.init(), configuration) { session, mock, server in
            let first = try await session.get(Self.url).status
            let second = try await session.get(Self.url).status
            #expect((first, second) == (.ok, .ok))
            #expect(server.log == ["no proof", "ok 1", "ok 2"])
            let elsewhere = try await session.get("http://b.test/").status.code
            let nobody = try await session.get(Self.url, auth: .anonymous).status.code
            #expect((elsewhere, nobody) == (401, 401))
            #expect(mock.requests.suffix(2).allSatisfy { $0.headers[.authorization] == nil })
            let own = try await session.get(Self.url, headers: ["Authorization": "own"]).status.code
            #expect(own == 401 && mock.requests.last?.headers[.authorization] == "own")
        }
    }

    @Test("C22: many at a time each come through")
    func concurrent() async throws {
        try await check {
            // A server that does not insist on the order of the counts.
            let mock = MockTransport { request in
                guard let proof = request.headers[.authorization] else {
                    let field = "Digest realm=\"r\", nonce=\"n\", qop=\"auth\", algorithm=SHA-256"
                    return .text("no", status: .unauthorized, headers: [.wwwAuthenticate: field])
                }
                return .text(AuthenticationChallenge.parse([proof]).first?["nc"] ?? "-")
            }
            let session = ClientSession.mocked(mock)
            try await Self.expect(200, session)
            let counts = try await gather(Array(0..<20)) { _ in try await session.get(Self.url, auth: Self.ada).text() }
            #expect(Set(counts).count == 20)
            await session.close()
        }
    }

    // MARK: Connections

    private static let refusal =
        "HTTP/1.1 401 No\r\nWWW-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth\", algorithm=MD5\r\n"

    @Test(
        "C22: a small 401 keeps its connection, be it whole, late or in pieces; a large or slow one does not, and none is leaked"
    )
    func connections() async throws {
        let small = [
            [ScriptStep.send(Self.refusal + "Content-Length: 5\r\n\r\nwrong")],
            [.send(Self.refusal + "Content-Length: 5\r\n\r\n"), .wait(.milliseconds(500)), .send("wrong")],
            [.send(Self.refusal + "Transfer-Encoding: chunked\r\n\r\n5\r\nwrong\r\n0\r\n\r\n", pieces: 1)],
        ]
        for steps in small {
            try await withScripts([.expectRequest] + steps + [.expectRequest, .send(okResponse)]) { session, peer in
                let text = try await session.get(someURL, auth: Self.ada).text()
                #expect(text == "ok")
                #expect(peer.opened == 1)
                #expect(peer.written().contains("Authorization: Digest username=\"ada\""))
            }
        }
        let others = [
            [ScriptStep.send(Self.refusal + "Content-Length: 1000000\r\n\r\nwrong")],
            [.send(Self.refusal + "Content-Length: 5\r\n\r\nwr"), .stall],
            [.send(Self.refusal + "Content-Length: 5\r\n\r\nwr"), .finish],
            [.send(Self.refusal + "Content-Length: 2\r\n\r\nno"), .finish],
            [
                .send(Self.refusal + "Connection: close\r\n\r\n"), .send("x", pieces: 1, every: .milliseconds(900)),
                .stall,
            ],
            [
                .send(
                    Self.refusal + "Transfer-Encoding: chunked\r\n\r\n"
                        + (0..<100).map { _ in "400\r\n\(String(repeating: "x", count: 1024))\r\n" }.joined()
                ), .stall,
            ],
        ]
        for steps in others {
            try await withScripts(
                [.expectRequest] + steps,
                [.expectRequest, .send(okResponse)]
            ) { session, peer in
                let text = try await session.get(someURL, auth: Self.ada).text()
                #expect(text == "ok")
                #expect(peer.opened == 2)
            }
        }
    }

    @Test("C22: cancelling while the 401 is read, and the whole request's time, leave nothing")
    func cancelled() async throws {
        let canceller = Canceller()
        try await withScripts(
            [
                .expectRequest, .send(Self.refusal + "Content-Length: 5\r\n\r\nwr"), .wait(.milliseconds(10)),
                canceller.step, .stall,
            ]
        ) { session, _ in
            let task = EventLoop.spawn { try await session.get(someURL, auth: Self.ada) }
            canceller.arm { task.cancel() }
            await #expect(throws: CancellationError.self) { try await task.value }
        }
        try await withScripts(
            [.expectRequest, .send(Self.refusal + "Content-Length: 2\r\n\r\nno"), .expectRequest, .stall]
        ) { session, _ in
            let error = await clientError {
                try await session.get(someURL, auth: Self.ada, timeouts: .total(.seconds(3)))
            }
            #expect(error?.code == .totalTimeout)
        }
    }
}
