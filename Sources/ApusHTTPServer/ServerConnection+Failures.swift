import ApusRuntime
import ApusWire
import HTTPTypes
import Logging

// What goes wrong, and what the client is told of it.
extension ServerConnection {
    /// RFC 9110 §9.3.6: a tunnel, which only a proxy makes. A handler that does not know it would answer 2xx and mean a page.
    func refuseTunnel() -> ServerResponse {
        mustClose = true
        return .text("CONNECT is not supported here\n", status: .notImplemented)
    }

    /// What the client gets for an error of the handler.
    ///
    /// - Throws: `CancellationError` if the connection was told to end.
    func response(to error: any Error, _ request: ServerRequest) throws -> ServerResponse {
        if error is CancellationError, isCancelled { throw error }
        if let error = error as? ServerError, error.code != .disconnected {
            mustClose = true
            return .text("\(error)\n", status: .named(error.code.status))
        }
        // The client is told nothing about the inside.
        core.configuration.logger.error("The handler of \(request.method) \(request.path) failed: \(error)")
        return .text("Internal server error\n", status: .internalServerError)
    }

    /// A response that HTTP does not allow, or whose body is not as long as it says.
    static func isOfTheHandler(_ error: any Error) -> Bool {
        if let error = error as? HTTP1Error { return !error.isPeerFault }
        return (error as? ServerError)?.code == .invalidResponse
    }

    func check(_ outcome: WaitOutcome, _ timeout: String) throws {
        switch outcome {
        case .ready: return
        case .timedOut: throw ServerError(.timedOut, timeout)
        case .cancelled: throw CancellationError()
        case .closed, .busy: throw ServerError(.disconnected, "The connection was closed.")
        }
    }
}
