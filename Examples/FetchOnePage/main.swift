// One page, fetched in a session. The session is closed at the end of its closure, whatever happens inside.
//
//     swift run FetchOnePage
//     swift run FetchOnePage http://example.com/
import Apus
import ExampleServer

try EventLoop.run {
    try await withExampleServer { baseURL in
        let url = argumentURLs?.first ?? "\(baseURL)/page/1"
        try await ClientSession.with { session in
            let response = try await session.get(url)
            print("status:", response.status)
            print("type:", response.headers[.contentType] ?? "-")
            print("body:", try await response.text().prefix(200))
        }
    }
}
