public import ApusHTTPClient
import ApusNet
import ApusRuntime
import Synchronization

/// Answers a session's requests in memory: for tests of code that makes requests. No socket is opened, no name looked up, no
/// certificate checked, and time may be virtual (``withVirtualTime(_:)``).
///
/// ```swift
/// let mock = MockTransport { request in
///     switch request.path {
///     case "/user": try .json(["name": "Ada"])
///     default: .status(.notFound)
///     }
/// }
/// let session = ClientSession.mocked(mock)
/// #expect(try await userName(session) == "Ada")
/// #expect(mock.requests.map(\.url) == ["https://api.example/user"])
/// ```
///
/// Or a script, one answer per request:
///
/// ```swift
/// let mock = MockTransport([.status(.serviceUnavailable), .text("at last").delayed(by: .seconds(5))])
/// … retries …
/// #expect(mock.problems.isEmpty)
/// ```
///
/// Everything above the connection is real: headers, redirects, bodies, limits, timeouts. Each request gets a connection of its own, so
/// that a failure hits the request that it was meant for. For keep-alive and real sockets there is ``TestServer``; for bytes that
/// are not HTTP, ``ScriptedPeer``.
public final class MockTransport: Sendable {
    private struct State {
        var requests: [MockRequest] = []
        var problems: [String] = []
        var script: [MockResponse] = []
        var isScripted = false
    }

    private let state = Mutex(State())
    private let respond: (@Sendable (MockRequest) async throws -> MockResponse)?

    /// Answers each request with what `respond` returns.
    ///
    /// - Parameter respond: gets the whole request, its body included. What it throws fails the request, with
    ///   ``ClientError`` `.connectionFailed`, and is among ``problems``. It is cancelled if the request is.
    public init(_ respond: @escaping @Sendable (_ request: MockRequest) async throws -> MockResponse) {
        self.respond = respond
    }

    /// Answers the first request with the first response, and so on. A request beyond them fails, and is among ``problems``; so is
    /// an answer that nobody asked for.
    public init(_ script: [MockResponse]) {
        respond = nil
        state.withLock {
            $0.script = script.reversed()
            $0.isScripted = true
        }
    }

    /// What was asked for so far, oldest first; each redirect and each resend counts.
    public var requests: [MockRequest] { state.withLock { $0.requests } }

    /// What did not go as the mock expected: requests without an answer, answers without a request, errors of the closure. For an
    /// expectation at the end of a test.
    public var problems: [String] {
        state.withLock { state in
            guard state.isScripted, !state.script.isEmpty else { return state.problems }
            let (left, count) = (state.script.count, state.requests.count)
            return state.problems + ["\(left) of the script's answers were not asked for: \(count) requests came."]
        }
    }

    func answer(_ request: MockRequest) async throws -> MockResponse {
        let (number, scripted) = state.withLock { state in
            state.requests.append(request)
            return (state.requests.count, state.script.popLast())
        }
        if let scripted { return scripted }
        guard let respond else {
            let problem =
                "\(request) was not expected: it is request \(number), and the script has \(number - 1) answers."
            note(problem)
            throw NetError(.system, problem)
        }
        do {
            return try await respond(request)
        } catch is CancellationError where Task.isCancelled {
            throw CancellationError()
        } catch {
            let problem = "The mock did not answer \(request): \(error)"
            note(problem)
            throw NetError(.system, problem, cause: error)
        }
    }

    func note(_ problem: String) { state.withLock { $0.problems.append(problem) } }
}

extension ClientSession {
    /// A session whose requests `transport` answers, whatever host they name. It belongs to the loop of the caller.
    public static func mocked(
        _ transport: MockTransport,
        _ configuration: Configuration = Configuration()
    ) -> ClientSession {
        ClientSession(configuration) { host, port, isSecure, loop in
            try MockConnection(transport, scheme: isSecure ? "https" : "http", on: loop)
        }
    }

    /// A session whose requests `respond` answers: see ``MockTransport``.
    ///
    /// ```swift
    /// let session = ClientSession.mocked { request in .text("hello \(request.path)") }
    /// ```
    public static func mocked(
        _ configuration: Configuration = Configuration(),
        _ respond: @escaping @Sendable (_ request: MockRequest) async throws -> MockResponse
    ) -> ClientSession {
        mocked(MockTransport(respond), configuration)
    }
}
