import ApusNet
import ApusRuntime
import ApusTesting
import ApusWire
import Glibc
import HTTPTypes
import Logging
import Synchronization
import Testing

@testable import ApusHTTPClient

@Suite("HTTPCache in a folder")
struct HTTPCacheFolderTests {
    private static let url = "http://host.example/path"

    private static func cache(
        _ folder: String,
        _ limit: Int = 1 << 20,
        credentials: HTTPCache.Credentials = .skipped,
        log: LogRecorder = LogRecorder(),
        writer: OutputFile.Writer? = nil
    ) -> HTTPCache {
        HTTPCache(
            .folder(folder, limit: limit),
            entryLimit: 100_000,
            credentials: credentials,
            logger: log.logger,
            clock: .starting(at: cacheStart),
            writer: writer
        )
    }

    private static func names(in folder: String) -> [String] {
        guard let directory = opendir(folder) else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    private static func mode(of path: String) -> mode_t? {
        var facts = stat()
        return lstat(path, &facts) == 0 ? facts.st_mode & 0o777 : nil
    }

    private static func contents(_ path: String) -> [UInt8] {
        guard let file = fopen(path, "r") else { return [] }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 1_000_000)
        let count = fread(&bytes, 1, bytes.count, file)
        return Array(bytes[..<count])
    }

    private static func write(_ bytes: [UInt8], to path: String) {
        guard let file = fopen(path, "w") else { return }
        fwrite(bytes, 1, bytes.count, file)
        fclose(file)
    }

    private static let lasting: HTTPFields = [
        .cacheControl: "max-age=600", .eTag: "\"a\"", .vary: "Accept-Language", .init("X-Odd")!: "ü \u{1F600} …",
    ]

    private static func counting() -> MockTransport {
        let count = Counter()
        return MockTransport { _ in
            count.add()
            return .text("\(count.value)", headers: lasting)
        }
    }

    @Test("what one cache has kept, the next one gives: all of it, and only to its owner's eyes")
    func survives() async throws {
        try await withScratchFolder { scratch in
            let folder = scratch + "/cache"
            let mock = Self.counting()
            let first = Self.cache(folder)
            try await withMock(around(first), mock) { session in
                let seen = [
                    try await fetch(session), try await fetch(session, Self.url, [.acceptLanguage: "de"]),
                ]
                #expect(seen == ["1 miss", "2 miss"])
                try await first.flush()
            }
            let second = Self.cache(folder)
            try await withMock(around(second), mock) { session in
                let response = try await session.get(Self.url)
                let text = try await response.text()
                #expect(
                    text == "1" && response.cacheStatus == .hit && response.headers[.init("X-Odd")!] == "ü \u{1F600} …"
                )
                let german = try await fetch(session, Self.url, [.acceptLanguage: "de"])
                #expect(german == "2 hit")
                let other = try await fetch(session, Self.url, [.acceptLanguage: "fr"])
                #expect(other == "3 miss")
                try await second.flush()
            }
            #expect(
                first.statistics.stored == 2 && second.statistics.entries == 3 && second.statistics.writeFailures == 0
            )
            let names = Self.names(in: folder)
            #expect(names.count == 3, "\(names)")
            #expect(Self.mode(of: folder) == 0o700)
            for name in names { #expect(Self.mode(of: "\(folder)/\(name)") == 0o600, "\(name)") }
            try await withMock(around(second), mock) { session in
                _ = try await session.put(Self.url, body: .text("x"))
            }
            #expect(Self.names(in: folder).isEmpty)
        }
    }

    @Test("no secret is in a file or in its name, whatever the URL, the request and the answer hold")
    func canary() async throws {
        try await withScratchFolder { folder in
            for credentials in [HTTPCache.Credentials.skipped, .separate] {
                let cache = Self.cache(folder, credentials: credentials)
                let mock = MockTransport { request in
                    let isPublic = request.path == "/public"
                    return .text(
                        "body",
                        headers: [
                            .cacheControl: isPublic ? "max-age=600, public" : "max-age=600", .vary: "X-Other",
                            .setCookie: isPublic ? "id=canary" : "",
                        ]
                    )
                }
                try await withMock(around(cache), mock) { session in
                    for path in ["public", "private"] {
                        let url = "http://host.example/\(path)?q=canary#canary"
                        _ = try await fetch(session, url, [.init("X-Other")!: "canary"])
                        _ = try await fetch(session, url, [.authorization: "canary", .cookie: "canary"])
                    }
                    try await cache.flush()
                }
            }
            let names = Self.names(in: folder)
            #expect(names.count >= 1)
            for name in names {
                let text = String(decoding: Self.contents("\(folder)/\(name)"), as: UTF8.self)
                #expect(text.contains("body") && !text.contains("canary") && !name.contains("canary"))
            }
        }
    }

    @Test(
        "a file that is damaged anywhere, cut off anywhere, or somebody else's is dropped, and nothing of it is given"
    )
    func damaged() async throws {
        let entry = CacheEntry(
            head: CachedResponse(
                status: 200,
                reason: "OK",
                fields: Self.lasting,
                varied: [.init(name: "accept", digest: "0123")],
                requestTime: cacheStart,
                responseTime: cacheStart + 1
            ),
            body: Array("a body".utf8)
        )
        let encoded = entry.encoded
        let decoded = try #require(CacheEntry(encoded: encoded))
        #expect(decoded.head == entry.head && decoded.body == entry.body)
        for count in 0..<encoded.count {
            let isRead = CacheEntry(encoded: Array(encoded[..<count])) != nil
            #expect(!isRead, "cut off after \(count)")
        }
        for index in encoded.indices {
            var other = encoded
            other[index] ^= 1 << UInt8(index % 8)
            let isRead = CacheEntry(encoded: other) != nil
            #expect(!isRead, "byte \(index)")
        }
        #expect(CacheEntry(encoded: encoded + [0]) == nil && CacheEntry(encoded: []) == nil)
        var random = SplitMix(seed: 4)
        for _ in 0..<1_000 {
            let noise = (0..<Int.random(in: 0..<200, using: &random)).map { _ in
                UInt8.random(in: 0...255, using: &random)
            }
            #expect(CacheEntry(encoded: noise) == nil)
        }
    }

    @Test("a folder with damaged, foreign and strange files answers from the server, and goes on")
    func corrupt() async throws {
        try await withScratchFolder { folder in
            let mock = Self.counting()
            let first = Self.cache(folder)
            try await withMock(around(first), mock) { session in
                for path in ["a", "b", "c"] { _ = try await fetch(session, "http://host.example/\(path)") }
                try await first.flush()
            }
            let names = Self.names(in: folder)
            #expect(names.count == 3)
            // Damaged; another one's content; a link to somewhere; and names that mean nothing.
            Self.write(Array("nonsense".utf8), to: "\(folder)/\(names[0])")
            let (first2, second2) = ("\(folder)/\(names[1])", "\(folder)/\(names[2])")
            Self.write(Array(Self.contents(first2).dropLast(3)), to: first2)
            unlink(second2)
            symlink("/etc/passwd", second2)
            mkdir("\(folder)/x.y.apus-cache", 0o700)
            Self.write([1, 2, 3], to: "\(folder)/nothing.apus-cache")
            Self.write([1, 2, 3], to: "\(folder)/somebodys.txt")
            let second = Self.cache(folder)
            try await withMock(around(second), mock) { session in
                var seen: [String] = []
                for path in ["a", "b", "c", "a", "b", "c"] {
                    seen.append(try await fetch(session, "http://host.example/\(path)"))
                    try await second.flush()
                }
                #expect(seen == ["4 miss", "5 miss", "6 miss", "4 hit", "5 hit", "6 hit"])
            }
            #expect(second.statistics.damaged == 2)
            #expect(Self.contents("\(folder)/somebodys.txt") == [1, 2, 3])
        }
    }

    @Test("a folder that is full, read-only, no folder or gone costs no response, and says so once")
    func unwritable() async throws {
        try await withScratchFolder { scratch in
            mkdir(scratch + "/full", 0o700)
            Self.write([1], to: scratch + "/file")
            let full: OutputFile.Writer = { _, _, _ in
                errno = ENOSPC
                return -1
            }
            let places: [(String, OutputFile.Writer?)] = [
                (scratch + "/full", full), (scratch + "/file", nil), (scratch + "/no/such/folder", nil),
                ("/proc/nothing", nil),
            ]
            for (folder, writer) in places {
                let log = LogRecorder()
                let cache = Self.cache(folder, log: log, writer: writer)
                try await withMock(around(cache), Self.counting()) { session in
                    var seen: [String] = []
                    for _ in 0..<3 {
                        seen.append(try await fetch(session))
                        try await cache.flush()
                    }
                    #expect(seen == ["1 miss", "2 miss", "3 miss"], "\(folder)")
                }
                #expect(cache.statistics.writeFailures == 3 && cache.statistics.stored == 0, "\(folder)")
                #expect(log.texts(.notice).count == 1, "\(log.everything)")
            }
            #expect(Self.names(in: scratch + "/full").isEmpty, "half files are removed")
        }
    }

    @Test("what was there stays when the disk is full, and a write that fails in the middle leaves nothing of it")
    func fullMeanwhile() async throws {
        try await withScratchFolder { folder in
            let isFull = Flag()
            let writer: OutputFile.Writer = { descriptor, bytes, count in
                guard isFull.isRaised else { return Glibc.write(descriptor, bytes, count) }
                // Some bytes fit, and then no more.
                if count > 40 { return Glibc.write(descriptor, bytes, 40) }
                errno = ENOSPC
                return -1
            }
            let cache = Self.cache(folder, writer: writer)
            try await withMock(around(cache), Self.counting()) { session in
                _ = try await fetch(session, "http://host.example/a")
                try await cache.flush()
                isFull.raise()
                _ = try await fetch(session, "http://host.example/b")
                try await cache.flush()
                let seen = [
                    try await fetch(session, "http://host.example/a"),
                    try await fetch(session, "http://host.example/b"),
                ]
                #expect(seen == ["1 hit", "3 miss"])
                try await cache.flush()
            }
            #expect(Self.names(in: folder).count == 1)
        }
    }

    @Test("files together stay within the limit; the least recently used go first, also after a new beginning")
    func bounded() async throws {
        try await withScratchFolder { folder in
            let mock = MockTransport { _ in
                MockResponse(headers: [.cacheControl: "max-age=600"], bytes: [UInt8](repeating: 1, count: 10_000))
            }
            let cache = Self.cache(folder, 50_000)
            try await withMock(around(cache), mock) { session in
                for number in 0..<20 {
                    _ = try await session.get("http://host.example/\(number)").bytes()
                    try await cache.flush()
                    _ = try await session.get("http://host.example/0").bytes()
                    try await cache.flush()
                }
            }
            #expect(Self.names(in: folder).count == 4 && cache.statistics.bytes <= 50_000)
            #expect(mock.requests.count == 20)
            let smaller = Self.cache(folder, 25_000)
            try await withMock(around(smaller), mock) { session in
                _ = try await session.get("http://host.example/missing").bytes()
                try await smaller.flush()
            }
            #expect(Self.names(in: folder).count == 2)
        }
    }

    @Test("files that disappear are not there, and leftovers of writes that never ended go after an hour")
    func disappeared() async throws {
        try await withScratchFolder { folder in
            let mock = Self.counting()
            let cache = Self.cache(folder)
            let (old, young) = ("\(folder)/.apus-old.part", "\(folder)/.apus-young.part")
            for path in [old, young] { Self.write([1], to: path) }
            let past = timespec(tv_sec: time(nil) - 4_000, tv_nsec: 0)
            let isOld = utimensat(AT_FDCWD, old, [past, past], 0) == 0
            #expect(isOld)
            try await withMock(around(cache), mock) { session in
                _ = try await fetch(session)
                try await cache.flush()
                #expect(Self.names(in: folder).contains(".apus-young.part"))
                #expect(!Self.names(in: folder).contains(".apus-old.part"))
                for name in Self.names(in: folder) where name.hasSuffix(".apus-cache") { unlink("\(folder)/\(name)") }
                let text = try await fetch(session)
                #expect(text == "2 miss")
                try await cache.flush()
                try await cache.removeAll()
                #expect(Self.names(in: folder) == [".apus-young.part"])
            }
        }
    }

    @Test(
        "a request that is cancelled while a file is read ends, and the loop's end waits for no write that has not begun"
    )
    func cancelled() async throws {
        try await withScratchFolder { folder in
            let cache = Self.cache(folder)
            try await withMock(around(cache), Self.counting()) { session in
                let task = EventLoop.spawn { try await fetch(session) }
                task.cancel()
                await #expect(throws: CancellationError.self) { try await task.value }
                _ = try await fetch(session)
                try await cache.flush()
            }
            #expect(cache.statistics.entries == 1)
        }
    }
}

@Suite("The index of a cache")
struct CacheIndexTests {
    @Test("in random schedules it has what a simple list would have")
    func model() {
        for seed in 0..<30 {
            var random = SplitMix(seed: UInt64(seed))
            var index = CacheIndex<Int>(limit: 100, variantLimit: 3)
            // Least recently used first.
            var model: [(name: CacheIndex<Int>.Name, value: Int, cost: Int)] = []
            var ages: [CacheIndex<Int>.Name] = []
            for step in 0..<2_000 {
                let name = CacheIndex<Int>.Name(
                    key: "k\(Int.random(in: 0..<8, using: &random))",
                    variant: "v\(Int.random(in: 0..<5, using: &random))"
                )
                switch Int.random(in: 0..<10, using: &random) {
                case 0..<5:
                    let cost = Int.random(in: 0...40, using: &random) + (step % 97 == 0 ? 200 : 0)
                    let gone = index.insert(name, step, cost: cost)
                    var expected: Set<Int> = []
                    if let old = model.firstIndex(where: { $0.name == name }) {
                        expected.insert(model.remove(at: old).value)
                    }
                    ages.removeAll { $0 == name }
                    if cost > 100 {
                        expected.insert(step)
                    } else {
                        let variants = ages.filter { $0.key == name.key }
                        if variants.count >= 3, let old = model.firstIndex(where: { $0.name == variants[0] }) {
                            expected.insert(model.remove(at: old).value)
                            ages.removeAll { $0 == variants[0] }
                        }
                        model.append((name, step, cost))
                        ages.append(name)
                        while model.reduce(0, { $0 + $1.cost }) > 100 {
                            let first = model.removeFirst()
                            expected.insert(first.value)
                            ages.removeAll { $0 == first.name }
                        }
                    }
                    let values = Set(gone.map(\.value))
                    #expect(values == expected)
                case 5, 6:
                    index.touch(name)
                    if let at = model.firstIndex(where: { $0.name == name }) { model.append(model.remove(at: at)) }
                case 7:
                    let removed = index.remove(name)
                    let at = model.firstIndex { $0.name == name }
                    let expected = at.map { model.remove(at: $0).value }
                    ages.removeAll { $0 == name }
                    #expect(removed == expected)
                case 8 where step % 5 == 0:
                    let removed = Set(index.removeAll(name.key).map(\.value))
                    let expected = Set(model.filter { $0.name.key == name.key }.map(\.value))
                    model.removeAll { $0.name.key == name.key }
                    ages.removeAll { $0.key == name.key }
                    #expect(removed == expected)
                default:
                    let found = index.entries(name.key).map(\.value)
                    let expected = ages.reversed().filter { $0.key == name.key }.compactMap { age in
                        model.first { $0.name == age }?.value
                    }
                    #expect(found == expected)
                }
                let cost = model.reduce(0) { $0 + $1.cost }
                #expect(index.count == model.count && index.cost == cost)
            }
            let all = Set(index.removeAll().map(\.value))
            #expect(all == Set(model.map(\.value)) && index.count == 0 && index.cost == 0)
        }
    }
}
