import ApusRuntime
public import ApusWire
import HTTPTypes

extension ClientSession {
    /// The events of a server, through as many connections as it takes: a browser's `EventSource`.
    ///
    /// ```swift
    /// for try await event in session.events("https://example.com/news") { print(event.data) }
    /// ```
    ///
    /// Each iteration begins with a request of its own. When the stream ends or breaks off, it waits and asks again with `Last-Event-ID`;
    /// the server ends it for good by 204 (No Content). The time of a stream is not limited, unless `reconnecting` does.
    ///
    /// - Parameters:
    ///   - url: an absolute URL, as a `String` or a ``URI``.
    ///   - params: appended to the URL's query, percent-encoded.
    ///   - headers: replace the session's fields of the same name.
    ///   - lastEventID: that of an earlier stream; empty for none.
    ///   - auth: who asks; nil for the session's ``ClientSession/Configuration/auth``.
    ///   - reconnecting: when it connects again, and when it gives up.
    ///   - options: as for every request.
    ///
    /// Source: WHATWG HTML §9.2.
    public func events(
        _ url: some RequestURL,
        params: KeyValuePairs<String, String> = [:],
        headers: some RequestFields = NoFields(),
        lastEventID: String = "",
        auth: Authentication? = nil,
        reconnecting: EventReconnection = EventReconnection(),
        options: RequestOptions? = nil
    ) -> EventStream {
        EventStream(lastEventID: lastEventID, policy: reconnecting) { id in
            var fields = try headers.httpFields()
            if fields[.accept] == nil { fields[.accept] = "text/event-stream" }
            if fields[.cacheControl] == nil { fields[.cacheControl] = "no-store" }
            // An ID that a field cannot carry is left out rather than changed.
            if !id.isEmpty, HTTPField.isValidValue(id) { fields[.lastEventID] = id }
            var timeouts = self.configuration.timeouts
            timeouts.idle = reconnecting.idleTimeout
            timeouts.total = nil
            var options = options ?? RequestOptions()
            // Statuses are judged here.
            options.raiseForStatus = false
            return try await self.get(
                url,
                params: params,
                headers: fields,
                auth: auth,
                timeouts: timeouts,
                options: options
            )
        }
    }
}

extension HTTPField.Name {
    // A valid token, so never nil; a stream without the field would still work.
    fileprivate static let lastEventID = HTTPField.Name("Last-Event-ID") ?? .eTag
}

/// The events of a server, through as many connections as it takes. Of
/// ``ClientSession/events(_:params:headers:lastEventID:auth:reconnecting:options:)``.
public struct EventStream: AsyncSequence, Sendable {
    public typealias Element = ServerSentEvent

    let lastEventID: String
    let policy: EventReconnection
    let open: @Sendable (_ lastEventID: String) async throws -> ClientResponse

    /// Reads event by event, and connects again between them.
    public struct Iterator: AsyncIteratorProtocol {
        private let policy: EventReconnection
        private let open: @Sendable (_ lastEventID: String) async throws -> ClientResponse
        private var events: ResponseEvents.Iterator?
        private var failures = 0
        private var reconnectionTime: Duration?
        private var mustWait = false
        private var isAtEnd = false
        /// That of the last event, to go on from; the server may set it back to none.
        public private(set) var lastEventID: String

        init(_ stream: EventStream) {
            policy = stream.policy
            open = stream.open
            lastEventID = stream.lastEventID
        }

        /// The next event; nil when the server has answered 204.
        ///
        /// - Throws: ``ClientError``: that of the last failure when ``EventReconnection/failureLimit`` is reached, `.statusNotSuccess` for
        ///   a status that another try would not change, `.unexpectedContentType`; `CancellationError`. Afterwards it is at its end.
        ///
        /// Cancel safety: closes the connection.
        public mutating func next() async throws -> ServerSentEvent? {
            try await next(isolation: #isolation)
        }

        public mutating func next(isolation actor: isolated (any Actor)?) async throws -> ServerSentEvent? {
            while !isAtEnd {
                do {
                    if events == nil, try await !connect() { return nil }
                    if let event = try await events?.next(isolation: actor) {
                        failures = 0
                        hadEvent = true
                        note()
                        return event
                    }
                    // The end of a stream is no failure; that of one without events is, or it would be asked for ever.
                    note()
                    events = nil
                    if !hadEvent { try count(nil) }
                    hadEvent = false
                } catch let error as ClientError where Self.mayPass(error) {
                    note()
                    events = nil
                    hadEvent = false
                    try count(error)
                } catch {
                    isAtEnd = true
                    events = nil
                    throw error
                }
            }
            return nil
        }

        /// Whether the current stream has had an event.
        private var hadEvent = false

        private mutating func note() {
            guard let parser = events?.parser else { return }
            lastEventID = parser.lastEventID
            reconnectionTime = parser.reconnectionTime ?? reconnectionTime
        }

        private mutating func count(_ error: ClientError?) throws {
            failures += 1
            guard let limit = policy.failureLimit, failures >= limit else { return }
            isAtEnd = true
            throw error
                ?? ClientError(
                    .connectionClosed,
                    "The server ended \(failures) event streams in a row without an event in them."
                )
        }

        /// Returns false when the server has said that there will be no more.
        private mutating func connect() async throws -> Bool {
            if mustWait { try await sleep(for: policy.delay(failures: failures, stated: reconnectionTime)) }
            mustWait = true
            let response = try await open(lastEventID)
            if response.status == .noContent {
                isAtEnd = true
                return false
            }
            guard response.status == .ok else {
                response.release()
                throw response.storage.statusError(
                    .statusNotSuccess,
                    "The server answered \(response.status.code) in place of events."
                )
            }
            events = ResponseEvents(response: response, lastEventID: lastEventID).makeAsyncIterator()
            return true
        }

        /// Whether another try may go better.
        private static func mayPass(_ error: ClientError) -> Bool {
            switch error.code {
            case .connectionRefused, .connectionClosed, .closedInHead, .closedInBody, .connectionFailed, .unknownHost,
                .connectTimeout, .headTimeout, .idleTimeout, .acquireTimeout, .truncatedContent:
                true
            case .statusNotSuccess: [408, 429, 500, 502, 503, 504].contains(error.status?.code ?? 0)
            default: false
            }
        }
    }

    public func makeAsyncIterator() -> Iterator { Iterator(self) }
}
