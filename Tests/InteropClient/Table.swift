import Apus
import Foundation

/// The checks, one line each: `ok …` or `FAIL …`.
final class Table {
    struct Wrong: Error, CustomStringConvertible {
        var description: String
    }

    typealias Request = nonisolated(nonsending) (ClientSession, String) async throws -> ClientResponse

    let session: ClientSession
    let curl: Curl
    private(set) var passed = 0
    private(set) var failed = 0

    init(session: ClientSession, curl: Curl) {
        self.session = session
        self.curl = curl
    }

    /// A check of any kind, which throws if it fails.
    func check(_ name: String, _ body: nonisolated(nonsending) () async throws -> Void) async {
        do {
            try await body()
            passed += 1
            print("ok    \(name)")
        } catch {
            failed += 1
            print("FAIL  \(name): \(error)")
        }
    }

    func expect(_ condition: Bool, _ what: @autoclosure () -> String) throws {
        if !condition { throw Wrong(description: what()) }
    }

    /// The same request by curl and by Apus: status, redirects, final URL and bytes.
    ///
    /// - Parameter comparesRedirects: false where curl calls the second try of Digest one.
    func same(
        _ name: String,
        _ url: String,
        curl arguments: [String] = [],
        comparesRedirects: Bool = true,
        _ request: Request = { try await $0.get($1) }
    ) async {
        await check(name) {
            let theirs = try await curl(url, arguments)
            var ours = try await outcome(of: request(session, url))
            if !comparesRedirects { ours.redirects = theirs.redirects }
            try compare(ours, theirs)
            try expect(
                ours.body == theirs.body,
                "\(ours.body.count) bytes, curl has \(theirs.body.count), or other ones"
            )
        }
    }

    /// The same request by both, to a server that says in JSON what came: these fields of it.
    func sameEcho(
        _ name: String,
        _ url: String,
        curl arguments: [String],
        fields: [String] = ["args", "data", "files", "form", "json", "method"],
        comparesURL: Bool = true,
        _ request: Request
    ) async {
        await check(name) {
            let theirs = try await curl(url, arguments)
            let ours = try await outcome(of: request(session, url))
            try compare(ours, theirs, comparesURL: comparesURL)
            let (left, right) = (try Self.object(ours.body), try Self.object(theirs.body))
            try expect(fields.contains { right[$0] != nil }, "no field of \(fields) in \(right.keys.sorted())")
            for field in fields {
                let (mine, other) = (left[field] as? NSObject, right[field] as? NSObject)
                try expect(mine == other, "\(field): \(String(describing: mine)), curl \(String(describing: other))")
            }
        }
    }

    /// A request that must fail, and how.
    func fails(_ name: String, _ code: ClientError.Code, _ request: nonisolated(nonsending) () async throws -> Void)
        async
    {
        await check(name) {
            do {
                try await request()
            } catch let error as ClientError where error.code == code {
                return
            }
            throw Wrong(description: "no error")
        }
    }

    /// So many requests one after the other, over so many connections.
    func connections(_ name: String, _ url: String, requests: Int, opened: Int) async {
        await check(name) {
            let before = await session.statistics.connectionsOpened
            for _ in 0..<requests { _ = try await session.get(url).bytes() }
            let count = await session.statistics.connectionsOpened - before
            try expect(count <= opened, "\(count) connections for \(requests) requests, expected \(opened) at most")
        }
    }

    private func outcome(of response: ClientResponse) async throws -> Outcome {
        Outcome(
            status: response.status.code,
            redirects: response.history.count,
            finalURL: "\(response.uri)",
            body: try await response.bytes()
        )
    }

    private func compare(_ ours: Outcome, _ theirs: Outcome, comparesURL: Bool = true) throws {
        try expect(ours.status == theirs.status, "status \(ours.status), curl has \(theirs.status)")
        try expect(ours.redirects == theirs.redirects, "\(ours.redirects) redirects, curl has \(theirs.redirects)")
        if comparesURL {
            try expect(ours.finalURL == theirs.finalURL, "ends at \(ours.finalURL), curl at \(theirs.finalURL)")
        }
    }

    private static func object(_ body: [UInt8]) throws -> [String: Any] {
        guard let object = try JSONSerialization.jsonObject(with: Data(body)) as? [String: Any] else {
            throw Wrong(description: "the answer is no JSON object")
        }
        return object
    }
}
