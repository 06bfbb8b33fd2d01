// Actors of the usual kind, and one that lives on a loop.

import Apus

actor Crawler {
    private let session = ClientSession()
    private var pages: [String: String] = [:]
    private var bytes = 0

    func crawl(_ base: String) async throws -> Int {
        for number in 1...3 {
            let url = "\(base)/hello?\(number)"
            pages[url] = try await session.get(url).text()
        }
        try await session.get("\(base)/chunks") { response in
            for try await chunk in response.body { bytes += chunk.count }
        }
        try await withTimeout(.seconds(30)) {
            pages["in time"] = try await session.get("\(base)/hello").text()
        }
        try await ClientSession.with { other in
            pages["another session"] = try await other.get("\(base)/hello").text()
        }
        let loop = EventLoop.current ?? .shared
        try await withDeadline(loop.clock.now.advanced(by: .seconds(30))) { _ in
            pages["before the deadline"] = try await session.get("\(base)/hello").text()
        }
        try await asCompleted(1...2) { number in
            try await self.session.get("\(base)/hello?\(number)").text()
        } consume: { texts in
            for try await text in texts { pages[text] = text }
        }
        try await retry { attempt in pages["attempt"] = "\(attempt)" }
        try await withShield { pages["shielded"] = "shielded" }
        _ = try await race({ 1 }, { 2 })
        try await sleep(for: .microseconds(1))
        let length = try await offload { "blocking".count }
        return pages.count + bytes + length
    }

    func close() async { await session.close() }
}

enum ActorUse {
    static func run(_ base: String) async throws {
        let crawler = Crawler()
        let onLoop = try await crawler.crawl(base)
        try expect(onLoop == 10 + 40 + 8, "an actor used from a loop: \(onLoop)")
        await crawler.close()
        let fromPool = try await Task.detached {
            let crawler = Crawler()
            defer { Task { await crawler.close() } }
            return try await crawler.crawl(base)
        }.value
        try expect(fromPool == 10 + 40 + 8, "an actor used from the pool: \(fromPool)")
    }
}

/// State that tasks of several loops share lives on one of them.
actor Cache {
    nonisolated let loop: EventLoop
    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }
    private var pages: [String: String] = [:]

    init(on loop: EventLoop) { self.loop = loop }

    func page(_ url: String, _ session: ClientSession) async throws -> String {
        if let page = pages[url] { return page }
        let page = try await session.get(url).text()
        pages[url] = page
        return page
    }

    nonisolated var countOnLoop: Int { assumeIsolated { $0.pages.count } }
}

enum BoundActorUse {
    static func run(_ base: String) async throws {
        let (cache, session) = try await EventLoop.shared.spawn { (Cache(on: .shared), ClientSession()) }.value
        let pages = try await gather(0..<4) { number in
            try await EventLoop.with { try await cache.page("\(base)/hello?\(number % 2)", session) }
        }
        try expect(pages == ["hello 0", "hello 1", "hello 0", "hello 1"], "pages through a shared cache: \(pages)")
        let count = try await EventLoop.shared.spawn { cache.countOnLoop }.value
        try expect(count == 2, "two pages are cached")
        await session.close()
    }
}
