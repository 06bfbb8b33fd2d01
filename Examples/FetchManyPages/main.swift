// Many pages at once. Each takes the server 300 ms; together they take little longer than one.
// The results come in the order of the URLs, whichever page came first.
//
//     swift run FetchManyPages
//     swift run FetchManyPages http://example.com/ http://example.org/
import Apus
import ExampleServer

try EventLoop.run {
    try await withExampleServer { baseURL in
        let urls = argumentURLs ?? (1...20).map { "\(baseURL)/slow/\($0)" }
        let start = ContinuousClock.now

        let pages = try await ClientSession.with { session in
            try await gather(urls) { url in
                try await session.get(url).text()
            }
        }

        for page in pages {
            print(page.prefix(100).split(whereSeparator: \.isNewline).joined(separator: " "))
        }
        print("\(pages.count) pages in", ContinuousClock.now - start)
    }
}
