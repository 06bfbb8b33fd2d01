// State that many tasks change, without a lock: it belongs to the main actor, which the loop of `EventLoop.run` serves.
// The compiler checks it. Leave `@MainActor` out, and this file does not compile.
//
//     swift run SharedStateOnMainActor
import Apus
import ExampleServer

@MainActor
final class Statistics {
    private(set) var pages = 0
    private(set) var characters = 0

    func add(_ page: String) {
        pages += 1
        characters += page.count
    }
}

try EventLoop.run {
    let statistics = Statistics()
    try await withExampleServer { baseURL in
        try await ClientSession.with { session in
            _ = try await gather(1...200) { number in
                let page = try await session.get("\(baseURL)/page/\(number)").text()
                await statistics.add(page)
            }
        }
    }
    print("pages:", await statistics.pages)
    print("characters:", await statistics.characters)
}
