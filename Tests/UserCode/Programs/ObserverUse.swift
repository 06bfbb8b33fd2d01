// What a user watches.

import Apus

enum ObserverUse {
    static func run(_ base: String) async throws {
        let observer = LastRequest(lines: try AsyncLines())
        var configuration = ClientSession.Configuration()
        configuration.observers = [observer, SessionMetrics(hostLimit: 10)]
        configuration.tracesRequests = false
        try await ClientSession.with(configuration) { session in
            _ = try await session.get("\(base)/moved", options: RequestOptions(observerContext: "mine")).text()
        }
        let lines = await observer.lines.all
        try expect(lines == ["GET /moved 302", "GET /hello 200 mine"], "what was seen: \(lines)")
    }
}

/// Notes redirects and ends.
final class LastRequest: SessionObserver {
    let lines: AsyncLines

    init(lines: AsyncLines) { self.lines = lines }

    func requestRedirected(_ request: ObservedRequest, _ response: ClientResponse, to uri: URI) {
        lines.add("\(request.method) \(request.uri.path) \(response.status.code)")
    }

    func requestEnded(_ request: ObservedRequest, _ response: ClientResponse) {
        let context = request.context as? String ?? "-"
        lines.add("\(request.method) \(request.uri.path) \(response.status.code) \(context)")
    }
}

/// Observers are told in plain functions, of whatever isolation: a queue takes what they say elsewhere.
nonisolated final class AsyncLines: Sendable {
    private let queue: AsyncQueue<String>

    init() throws { queue = try AsyncQueue(limit: 10) }

    func add(_ line: String) { try? queue.putNow(line) }

    var all: [String] {
        get async {
            var lines: [String] = []
            while let line = try? queue.getNow() { lines.append(line) }
            return lines
        }
    }
}
