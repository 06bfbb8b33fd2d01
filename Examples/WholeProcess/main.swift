// A process that is one loop's: every task is on its thread, whoever starts it, and the compiler still checks who touches what.
// A main-actor type keeps its state without a lock, its methods start their tasks with `Task { }`, and wait with `Task.sleep`.
//
//     swift run WholeProcess
import Apus
import ExampleServer

@MainActor
final class Crawler {
    private(set) var pages = 0
    private(set) var characters = 0
    private let session: ClientSession

    init(_ session: ClientSession) { self.session = session }

    /// The tasks are the main actor's, like this function: they may change its state.
    func crawl(_ urls: [String]) async throws {
        let tasks = urls.map { url in
            Task {
                let page = try await session.get(url).text()
                pages += 1
                characters += page.count
            }
        }
        for task in tasks { try await task.value }
    }

    func report(every interval: Duration) async throws {
        while true {
            try await Task.sleep(for: interval)
            print("so far:", pages)
        }
    }
}

// The package's trait, one of its defaults.
#if WholeProcess
try EventLoop.run(.wholeProcess) {
    try await withExampleServer { baseURL in
        try await ClientSession.with { session in
            let crawler = await Crawler(session)
            let reports = Task { try await crawler.report(every: .milliseconds(20)) }
            defer { reports.cancel() }
            try await crawler.crawl((1...200).map { "\(baseURL)/page/\($0)" })
            print("pages:", await crawler.pages)
            print("on the loop:", await Task { EventLoop.current != nil }.value)
        }
    }
}
#endif
