// What a user writes around a session's exchanges.

import Apus

enum MiddlewareUse {
    static func run(_ base: String) async throws {
        let counter = RequestCounter()
        var configuration = ClientSession.Configuration()
        configuration.middleware = [
            counter,
            MiddlewareFunction { request, next in
                var request = request
                request.uri = try request.uri.appendingQuery([("from", "middleware")])
                let response = try await next(request)
                guard response.status == .notFound else { return response }
                response.release()
                return try ClientResponse(to: request, status: .ok, body: Array("made".utf8))
            },
        ]
        try await ClientSession.with(configuration) { session in
            let text = try await session.get("\(base)/hello").text()
            try expect(text == "hello from=middleware", "an answer that passed")
            let made = try await session.get("\(base)/no-such-page").text()
            try expect(made == "made", "an answer that was made")
            _ = try await session.get("\(base)/hello", options: RequestOptions(middleware: [])).bytes()
        }
        let count = await counter.requests.count
        try expect(count == 2, "requests that passed: \(count)")
    }
}

/// Counts in an actor, which every isolation may.
struct RequestCounter: ClientMiddleware {
    actor Requests {
        private(set) var count = 0
        func add() { count += 1 }
    }

    let requests = Requests()

    func handle(_ request: ClientRequest, next: ClientRequest.Next) async throws -> ClientResponse {
        await requests.add()
        return try await next(request)
    }
}
