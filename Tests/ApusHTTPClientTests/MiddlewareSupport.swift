import ApusHTTPClient
import ApusRuntime
import ApusTesting
import Testing

/// Runs `body` on virtual time with a session that `mock` answers, and checks afterwards that no place, connection, timer or task is left.
func withMock(
    _ configuration: ClientSession.Configuration = .init(),
    _ mock: MockTransport,
    sourceLocation: SourceLocation = #_sourceLocation,
    _ body: @escaping @Sendable (ClientSession) async throws -> Void
) async throws {
    try await withVirtualTime {
        let left = try await leaks {
            let session = ClientSession.mocked(mock, configuration)
            try await body(session)
            let used = await session.statistics
            #expect(
                used.open == used.idle && used.waiting == 0,
                "places are taken: \(used)",
                sourceLocation: sourceLocation
            )
            await session.close()
        }
        #expect(left.isEmpty, "\(left)", sourceLocation: sourceLocation)
    }
}

/// A session's configuration with these around its exchanges.
func around(_ middleware: any ClientMiddleware...) -> ClientSession.Configuration {
    var configuration = ClientSession.Configuration()
    configuration.middleware = middleware
    return configuration
}

/// Seconds of the loop's clock.
func loopSeconds() throws -> Double { Double(try #require(EventLoop.current).now) / 1_000_000_000 }
