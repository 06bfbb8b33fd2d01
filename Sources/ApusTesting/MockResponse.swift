import ApusHTTPClient
public import HTTPTypes

/// What a ``MockTransport`` answers: a response, or a failure.
public struct MockResponse: Sendable {
    /// How an answer fails.
    enum Failure: Sendable {
        case refused, disconnected, silent
    }

    /// The status.
    public var status: HTTPResponse.Status
    /// The fields. Content-Length or Transfer-Encoding are added.
    public var headers: HTTPFields
    /// The body. More than one piece is sent in chunks, one after the other.
    public var pieces: [[UInt8]]
    /// How long the answer takes, by the loop's clock.
    public var delay: Duration = .zero
    /// How long each further piece takes, by the loop's clock.
    public var interval: Duration = .zero
    /// The bytes of the body after which the connection breaks; nil for a complete answer.
    public var breaksAfter: Int?
    var failure: Failure?

    /// A response with a body of bytes.
    public init(status: HTTPResponse.Status = .ok, headers: HTTPFields = [:], bytes: [UInt8] = []) {
        self.status = status
        self.headers = headers
        pieces = bytes.isEmpty ? [] : [bytes]
    }

    /// A text in UTF-8.
    public static func text(
        _ text: String,
        status: HTTPResponse.Status = .ok,
        headers: HTTPFields = [:]
    ) -> MockResponse {
        MockResponse(status: status, headers: headers, bytes: Array(text.utf8)).typed("text/plain; charset=utf-8")
    }

    /// A value as JSON.
    ///
    /// - Throws: the encoder's error.
    public static func json(
        _ value: some Encodable,
        status: HTTPResponse.Status = .ok,
        headers: HTTPFields = [:]
    ) throws -> MockResponse {
        MockResponse(status: status, headers: headers, bytes: try JSONCoding.encode(value)).typed("application/json")
    }

    /// A status without a body.
    public static func status(_ status: HTTPResponse.Status, headers: HTTPFields = [:]) -> MockResponse {
        MockResponse(status: status, headers: headers)
    }

    /// A body that comes in pieces.
    ///
    /// - Parameter interval: how long each but the first takes.
    public static func pieces(
        _ pieces: [[UInt8]],
        every interval: Duration = .zero,
        headers: HTTPFields = [:]
    ) -> MockResponse {
        var response = MockResponse(headers: headers)
        response.pieces = pieces
        response.interval = interval
        return response
    }

    /// A redirect.
    public static func redirect(to location: String, status: HTTPResponse.Status = .found) -> MockResponse {
        MockResponse(status: status, headers: [.location: location])
    }

    /// Nobody listens: the request fails with `.connectionRefused`.
    public static var refused: MockResponse { failing(.refused) }

    /// The server hangs up instead of answering: the request fails with `.connectionClosed`.
    public static var disconnected: MockResponse { failing(.disconnected) }

    /// The server never answers: the request ends with its timeouts, at once under ``withVirtualTime(_:)``.
    public static var silent: MockResponse { failing(.silent) }

    /// The same answer, later.
    public func delayed(by duration: Duration) -> MockResponse {
        var result = self
        result.delay = duration
        return result
    }

    /// The same answer, whose connection breaks after so many bytes of the body: reading it fails with `.closedInBody`.
    public func broken(after count: Int = 0) -> MockResponse {
        var result = self
        result.breaksAfter = count
        return result
    }

    private func typed(_ contentType: String) -> MockResponse {
        var result = self
        if result.headers[.contentType] == nil { result.headers[.contentType] = contentType }
        return result
    }

    private static func failing(_ failure: Failure) -> MockResponse {
        var response = MockResponse()
        response.failure = failure
        return response
    }
}
