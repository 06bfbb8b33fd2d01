public import ApusHTTPServer

/// An ``HTTPServer`` on a free port, for the length of a test.
///
/// ```swift
/// try await TestServer.with({ request in .text("hello \(request.path)") }) { server in
///     #expect(try await session.get(server.url("/you")).text() == "hello /you")
/// }
/// ```
public struct TestServer: Sendable {
    /// The server.
    public let server: HTTPServer

    /// A URL of the server.
    ///
    /// - Parameter path: with its leading slash, and a query if there is one.
    public func url(_ path: String = "/") -> String { "http://\(server.address)\(path)" }

    /// Starts a server, runs `body`, and shuts the server down, whether `body` returns, throws or is cancelled.
    ///
    /// - Throws: what `body` throws, and ``NetError`` if the server cannot start.
    ///
    /// Cancel safety: as `body`'s; the server is shut down in any case.
    public static func with<Success>(
        configuration: HTTPServer.Configuration = HTTPServer.Configuration(),
        _ handler: @escaping HTTPServer.Handler,
        _ body: nonisolated(nonsending) (TestServer) async throws -> Success
    ) async throws -> Success {
        let server = TestServer(server: try await HTTPServer.start(configuration: configuration, handler: handler))
        do {
            let result = try await body(server)
            await server.server.shutdown()
            return result
        } catch {
            await server.server.shutdown()
            throw error
        }
    }
}
