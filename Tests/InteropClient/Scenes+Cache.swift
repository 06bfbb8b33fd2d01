import Apus
import Foundation

// A cache in front of servers that know nothing of it: what it gives is what curl gets, and it asks no more than it has to.
extension Scenes {
    /// In memory, and in a folder that a second cache then finds.
    func caches() async throws {
        let place = "\(folder)/cache"
        try? FileManager.default.removeItem(atPath: place)
        try await cache("in memory", .memory())
        try await cache("in a folder", .folder(place))
        await table.check("nginx: a folder's cache, by the next program") {
            let next = HTTPCache(.folder(place))
            let url = "\(try peer("nginx"))/fresh/text.txt"
            try await session(next) { session in
                try await same(url, .hit, session)
                try table.expect(next.statistics.misses == 0, "\(next.statistics)")
            }
        }
    }

    private func session(
        _ cache: HTTPCache,
        _ body: nonisolated(nonsending) (ClientSession) async throws -> Void
    ) async throws {
        var configuration = ClientSession.Configuration()
        configuration.middleware = [cache]
        let session = ClientSession(configuration)
        do {
            try await body(session)
            try await cache.flush()
        } catch {
            await session.close()
            throw error
        }
        await session.close()
    }

    /// One request, which has to be answered from where it is said, with the bytes that curl gets.
    private func same(
        _ url: String,
        _ status: ClientResponse.CacheStatus,
        _ session: ClientSession,
        headers: [String: String] = [:],
        curl arguments: [String] = [],
        decompress: Bool = true
    ) async throws {
        let theirs = try await table.curl(url, arguments + headers.flatMap { ["-H", "\($0.key): \($0.value)"] })
        let response = try await session.get(
            url,
            headers: headers,
            options: RequestOptions(decompress: decompress)
        )
        let bytes = try await response.bytes()
        let seen = response.cacheStatus.map { "\($0)" } ?? "nothing of it"
        try table.expect(response.status.code == theirs.status, "status \(response.status), curl \(theirs.status)")
        try table.expect(response.cacheStatus == status, "expected \(status), got \(seen), \(response.headers)")
        try table.expect(bytes == theirs.body, "\(bytes.count) bytes, curl has \(theirs.body.count), or other ones")
    }

    private func cache(_ name: String, _ place: HTTPCache.Place) async throws {
        let cache = HTTPCache(place)
        let (nginx, files) = (try peer("nginx"), try peer("tablefolder"))
        try await session(cache) { session in
            await table.check("nginx: cache \(name): max-age") {
                for file in ["small.bin", "empty.bin"] {
                    try await same("\(nginx)/fresh/\(file)", .miss, session)
                    try await cache.flush()
                    try await same("\(nginx)/fresh/\(file)", .hit, session)
                }
            }
            // By nginx's tag and date, by Apache's, and by the date of a server of Python's that has no tags.
            for (server, url) in [
                ("nginx", "\(nginx)/checked/small.bin"), ("apache", "\(try peer("apache"))/small.bin"),
                ("httpserver", "\(try peer("httpserver"))/small.bin"),
            ] {
                await table.check("\(server): cache \(name): 304") {
                    try await same(url, .miss, session)
                    try await cache.flush()
                    let validating = ["Cache-Control": "no-cache"]
                    for _ in 0..<2 { try await same(url, .revalidated, session, headers: validating) }
                }
            }
            await table.check("nginx: cache \(name): a file that changes") {
                let (path, url) = ("\(files)/changing.txt", "\(nginx)/checked/changing.txt")
                try "one".write(toFile: path, atomically: true, encoding: .utf8)
                try await same(url, .miss, session)
                try await cache.flush()
                try await same(url, .revalidated, session)
                // Another length: nginx makes its tag of length and second.
                try "another".write(toFile: path, atomically: true, encoding: .utf8)
                try await same(url, .miss, session)
                try await cache.flush()
                try await same(url, .revalidated, session)
            }
            await table.check("nginx: cache \(name): Vary, gzip and plain") {
                let url = "\(nginx)/fresh/text.txt"
                for status in [ClientResponse.CacheStatus.miss, .hit] {
                    try await same(url, status, session, curl: ["--compressed"])
                    try await same(url, status, session, headers: ["Accept-Encoding": "identity"])
                    try await same(url, status, session, headers: ["Accept-Encoding": "gzip"], decompress: false)
                    try await cache.flush()
                }
            }
            await table.check("aiohttp: cache \(name): Vary, a tag, and what changes it") {
                let url = "\(try peer("aiohttp"))/cached/\(name.split(separator: " ").joined())"
                for status in [ClientResponse.CacheStatus.miss, .hit] {
                    for language in ["de", "en"] {
                        try await same(url, status, session, headers: ["Accept-Language": language])
                    }
                    try await cache.flush()
                }
                // What it says is another one behind each change.
                _ = try await session.post(url).bytes()
                try await same(url, .miss, session, headers: ["Accept-Language": "de"])
                try await cache.flush()
                let validating = ["Accept-Language": "de", "Cache-Control": "no-cache"]
                try await same(url, .revalidated, session, headers: validating)
            }
        }
    }
}
