// One request from a script: no session, and no loop but the shared one. The top level awaits, as any async code can.
//
//     swift run OneRequest
//     swift run OneRequest http://example.com/
import Apus
import ExampleServer

try await withExampleServer { baseURL in
    let response = try await fetch(argumentURLs?.first ?? "\(baseURL)/page/1")
    print("status:", response.status)
    print("body:", try await response.text().prefix(200))
}
