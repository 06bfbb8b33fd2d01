import Apus

extension Demo {
    func onePage() async throws {
        screen.heading(2, "One page")
        screen.code("let page = try await session.get(url).text()")
        try await ClientSession.with { session in
            let start = clock.now
            let response = try await session.get("\(baseURL)/page/1")
            let page = try await response.text()
            screen.figure("status \(response.status), \(page.utf8.count) bytes", Format.time(clock.now - start))
        }
    }

    func manyPages() async throws {
        screen.heading(3, "A hundred pages take as long as one")
        screen.explain("The server waits 300 ms before each answer.")
        screen.code("let pages = try await gather(urls) { url in try await session.get(url).text() }")

        let (pages, time) = try await fetch(100)
        screen.figure("100 pages of 300 ms each", Format.time(time), "one after the other: 30 s")
        let isInOrder = pages.indices.allSatisfy { pages[$0].contains("<title>Page \($0 + 1)</title>") }
        screen.explain(
            "The results \(isInOrder ? "are" : "ARE NOT") in the order of the URLs. Three of them, 100 characters each:"
        )
        for page in [pages[0], pages[1], pages[99]] { screen.quote(String(page.prefix(100))) }

        let (more, longerTime) = try await fetch(300)
        screen.figure("\(more.count) pages of 300 ms each", Format.time(longerTime), "three waves")
        let limit = ClientSession.Configuration().pool.limit
        screen.explain(
            "Why not 0.3 s again? A session opens at most \(limit) connections unless told otherwise, so 200 of the 300 requests "
                + "wait for their turn. More at a time: configuration.pool.limit = 300."
        )
    }

    private func fetch(_ count: Int) async throws -> ([String], Duration) {
        try await ClientSession.with { session in
            let urls = (1...count).map { "\(baseURL)/slow/\($0)" }
            let start = clock.now
            let pages = try await gather(urls) { url in try await session.get(url).text() }
            return (pages, clock.now - start)
        }
    }
}
