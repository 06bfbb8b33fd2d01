import ApusRuntime
public import ApusWire

extension ClientResponse {
    /// The events of an event stream (WHATWG HTML §9.2), as they come.
    ///
    /// ```swift
    /// for try await event in response.events { print(event.event, event.data) }
    /// ```
    ///
    /// It ends with the stream: ``ClientSession/events(_:params:headers:lastEventID:reconnecting:options:)`` connects again. A body of another type than
    /// `text/event-stream` is ``ClientError`` `.unexpectedContentType`. A request without timeouts of its own waits for each event
    /// for as long as it takes: ``Timeouts/idle`` does not count then.
    public var events: ResponseEvents { ResponseEvents(response: self) }
}

/// The events of a response. Of ``ClientResponse/events``.
public struct ResponseEvents: AsyncSequence, Sendable {
    public typealias Element = ServerSentEvent

    let response: ClientResponse
    var lastEventID = ""

    /// Reads event by event.
    public struct Iterator: AsyncIteratorProtocol {
        private let response: ClientResponse
        private var body: ResponseBody.Iterator
        private(set) var parser: ServerSentEventParser
        private var isChecked = false

        init(_ events: ResponseEvents) {
            response = events.response
            body = response.body.makeAsyncIterator()
            parser = ServerSentEventParser(lastEventID: events.lastEventID)
        }

        /// The next event, or nil at the end of the stream. An event that was cut off by the end is dropped, as the standard demands.
        ///
        /// - Throws: ``ClientError`` (`.unexpectedContentType`; `.bodyTooLarge` for an event of more than
        ///   ``ServerSentEventParser/defaultEventLimit`` bytes), and as the body's iterator.
        ///
        /// Cancel safety: closes the connection.
        public mutating func next() async throws -> ServerSentEvent? {
            try await next(isolation: #isolation)
        }

        public mutating func next(isolation actor: isolated (any Actor)?) async throws -> ServerSentEvent? {
            if !isChecked { try check() }
            while true {
                do {
                    if let event = try parser.next() { return event }
                } catch {
                    response.release()
                    throw response.storage.exchange.error(
                        .bodyTooLarge,
                        "An event is too large: \(error)",
                        cause: error
                    )
                }
                guard let piece = try await body.next(isolation: actor) else { return nil }
                parser.receive(piece)
            }
        }

        private mutating func check() throws {
            isChecked = true
            let type = response.contentType
            guard type?.essence == "text/event-stream" else {
                response.release()
                throw response.storage.statusError(
                    .unexpectedContentType,
                    "The body is \(type?.essence ?? "of no stated type"), not text/event-stream (status \(response.head.statusCode))."
                )
            }
            if response.storage.exchange.statedTimeouts == nil {
                response.storage.stream?.perform { $0.waitsWithoutLimit() }
            }
        }
    }

    public func makeAsyncIterator() -> Iterator { Iterator(self) }
}
