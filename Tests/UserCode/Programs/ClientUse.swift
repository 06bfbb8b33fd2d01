// A session, with everything that a request can be given.

import Apus

nonisolated struct Person: Codable, Sendable, Equatable {
    var name: String
    var age: Int
}

enum ClientUse {
    static func run(_ base: String) async throws {
        var configuration = ClientSession.Configuration()
        configuration.pool.limit = 10
        configuration.pool.limitPerHost = 5
        configuration.pool.idleTimeout = .seconds(5)
        configuration.timeouts.connect = .seconds(5)
        configuration.userAgent = "user code"
        configuration.redirects = .follow(upTo: 3)
        configuration.bodyLimit = 1 << 20
        try await ClientSession.with(configuration) { session in
            try await verbs(session, base)
            try await bodies(session, base)
            try await responses(session, base)
            try await sessions(base)
            let numbers = await session.statistics
            try expect(numbers.requests > 0 && numbers.connectionsOpened > 0 && numbers.reuses > 0, "statistics")
        }
    }

    private static func verbs(_ session: ClientSession, _ base: String) async throws {
        let person = Person(name: "Ada", age: 36)
        let back: Person = try await session.post("\(base)/echo", json: person).json()
        try expect(back == person, "JSON there and back")
        let put = try await session.put("\(base)/echo", json: person).json(Person.self)
        try expect(put == person, "PUT")
        let patch = try await session.patch("\(base)/echo", body: .text("patch")).text()
        try expect(patch == "patch", "PATCH")
        let bytes = try await session.post("\(base)/echo", body: .bytes([1, 2, 3])).bytes()
        try expect(bytes == [1, 2, 3], "bytes")
        let deleted = try await session.delete("\(base)/hello").status
        try expect(deleted == .ok, "DELETE")
        let head = try await session.head("\(base)/hello")
        try expect(head.status == .ok && head.method == .head, "HEAD")
        let custom = try await session.request(.init("PROPFIND")!, "\(base)/hello").status
        try expect(custom == .ok, "a method of one's own")
        let named = try await session.get(try URI("\(base)/hello"), params: ["q": "a b", "r": "ü"]).text()
        try expect(named == "hello q=a%20b&r=%C3%BC", "parameters: \(named)")
        let field = try await session.get("\(base)/headers", headers: ["X-Test": "1"]).text()
        try expect(field == "1", "header fields")
        var fields = HTTPFields()
        fields[.accept] = "text/plain"
        _ = try await session.get("\(base)/hello", headers: fields, timeouts: .total(.seconds(10)))
    }

    private static func bodies(_ session: ClientSession, _ base: String) async throws {
        let written = try await session.post(
            "\(base)/echo",
            body: .written { writer in
                try await writer.write("one ")
                try await writer.write([0x74, 0x77, 0x6F])
            },
            options: RequestOptions(
                expectContinue: .seconds(1),
                omittedHeaders: [.userAgent],
                onUploadProgress: { _ in }
            )
        )
        try expect(try await written.text() == "one two", "a written body")
        let packed = try await session.post(
            "\(base)/hello",
            body: .text("packed"),
            options: RequestOptions(compression: .gzip)
        )
        try expect(packed.status == .ok && RequestCompression.gzip.isAvailable, "a compressed body")
        let copied = try await session.get("\(base)/hello") { response in
            try await session.put("\(base)/echo", body: .stream(response.body, length: response.contentLength)).text()
        }
        try expect(copied.hasPrefix("hello"), "a body from another response: \(copied)")
        let form = try await session.post("\(base)/echo", form: ["a": "1 2", "b": "ü"]).text()
        try expect(form == "a=1+2&b=%C3%BC", "a form: \(form)")
        var parts = Multipart()
        parts.append("title", "Holiday")
        parts.append("photo", .bytes([1, 2, 3], contentType: "image/png"), filename: "a.png")
        let multipart = try await session.post("\(base)/echo", multipart: parts).text()
        try expect(multipart.contains("name=\"photo\"; filename=\"a.png\""), "a multipart: \(multipart)")
    }

    private static func responses(_ session: ClientSession, _ base: String) async throws {
        let moved = try await session.get("\(base)/moved")
        try expect(moved.uri.path == "/hello" && moved.history.count == 1, "a redirect is followed, and remembered")
        try expect(try await moved.text(limit: 100) == "hello from=moved", "its text")
        let notMoved = try await session.get("\(base)/moved", redirects: .never)
        try expect(notMoved.status == .found && notMoved.headers[.location] != nil, "or not")
        let missing = try await session.get("\(base)/missing")
        do {
            try missing.raiseForStatus()
            throw Unexpected(description: "404 is no success")
        } catch let error as ClientError {
            try expect(error.code == .statusNotSuccess, "the status as an error")
        }
        var chunks = 0
        let response = try await session.get("\(base)/chunks")
        for try await chunk in response.body { chunks += chunk.count }
        try expect(chunks == 40 && response.contentLength == nil, "a streamed body")
        let trailers = await response.trailers()
        try expect(trailers == nil || trailers?.isEmpty == true, "no trailers")
        let size = try await session.request(.get, "\(base)/hello") { try await $0.bytes().count }
        try expect(size == 6, "the scoped form of request")
    }

    /// A base URL, a pool that sessions share, connections opened in advance, and a request without a session.
    private static func sessions(_ base: String) async throws {
        let pool = ConnectionPool()
        var configuration = ClientSession.Configuration()
        configuration.sharedPool = pool
        configuration.baseURL = try URI("\(base)/")
        configuration.secretOrigins = [try URI(base).origin]
        configuration.addressFilter = AddressFilter { host, address in
            if address.port == nil { throw Unexpected(description: "\(host) is a Unix socket") }
        }
        for _ in 1...2 {
            try await ClientSession.with(configuration) { session in
                let open = try await session.warm("hello", connections: 2)
                try expect(open == 2, "warm connections")
                try expect(try await session.get("hello").text() == "hello ", "a relative URL")
                let hosts = await session.hostStatistics
                try expect(hosts[try URI(base).origin]?.requests == 1, "statistics of a host")
            }
        }
        let numbers = await pool.statistics
        try expect(numbers.connectionsOpened == 2 && numbers.idle == 2, "a shared pool: \(numbers)")
        await pool.close()
        let text = try await fetch("\(base)/hello", params: ["by": "fetch"], timeouts: .total(.seconds(10))).text()
        try expect(text == "hello by=fetch", "a request without a session")
        configuration.sharedPool = nil
        configuration.addressFilter = .publicOnly
        try await ClientSession.with(configuration) { session in
            do {
                _ = try await session.get("hello")
                throw Unexpected(description: "this machine is not public")
            } catch let error as ClientError {
                try expect(error.code == .addressRefused, "the address filter")
            }
        }
    }
}
