import ApusRuntime
public import ApusWire
public import HTTPTypes

/// A request as a ``ClientMiddleware`` sees it: one hop's, before it is sent.
public struct ClientRequest: Sendable {
    /// The rest of the road: the middlewares further in, and the connection at their end.
    public struct Next: Sendable {
        private let rest: ArraySlice<any ClientMiddleware>

        init(_ rest: ArraySlice<any ClientMiddleware>) { self.rest = rest }

        /// Sends the request, as often as it is called.
        ///
        /// - Throws: as ``ClientSession/request(_:_:params:headers:cookies:body:auth:timeouts:redirects:options:)``, and what middlewares further in throw. Statuses are no
        ///   errors here, whatever ``ClientSession/Configuration/raiseForStatus`` says: that is asked at the very end.
        ///
        /// Cancel safety: closes the connection that the request was using.
        public func callAsFunction(_ request: ClientRequest) async throws -> ClientResponse {
            let loop = request.exchange.core.loop
            // A middleware may have gone elsewhere, such as into an actor.
            guard loop.runsCurrentTask else { return try await loop.hop { try await self(request) } }
            guard let first = rest.first else { return try await request.send() }
            return try await first.handle(request, next: Next(rest.dropFirst()))
        }
    }

    /// The method.
    public var method: HTTPRequest.Method
    /// Where it goes, params included.
    public var uri: URI
    /// The request's own fields; the session's are added when it is sent, where these do not have the name.
    public var headers: HTTPFields
    /// What it carries.
    public var body: RequestBody? {
        didSet { replacesBody = true }
    }
    /// How long each stage may take. ``Timeouts/total`` counts from the caller's call whatever is set here: it cannot be prolonged.
    public var timeouts: Timeouts {
        didSet { replacesTimeouts = true }
    }
    /// What is rarer. Its ``RequestOptions/middleware`` has no effect here.
    public var options: RequestOptions {
        didSet { replacesOptions = true }
    }

    /// What it was made of.
    let exchange: Exchange
    private var replacesBody = false
    private var replacesTimeouts = false
    private var replacesOptions = false

    init(_ exchange: Exchange) {
        self.exchange = exchange
        method = exchange.method
        uri = exchange.uri
        headers = exchange.ownFields
        body = exchange.body
        timeouts = exchange.timeouts
        options = exchange.options?.options ?? RequestOptions()
    }

    /// Whether the body, if there is one, can be sent now, be it for the first time or again.
    public var canSend: Bool { replacesBody || exchange.uploadPlan?.canBegin != false }

    /// How many redirects led here: 0 for what the caller asked for.
    public var redirectCount: Int { exchange.redirectCount }

    /// The time that the whole request has left, nil if it has no ``Timeouts/total``. Waiting longer is in vain.
    public var remainingTime: Duration? {
        guard exchange.totalDeadline != .max else { return nil }
        return .nanoseconds(max(0, exchange.totalDeadline - exchange.core.loop.currentTime()))
    }

    /// Sends what it says, as an exchange of its own.
    func send() async throws -> ClientResponse {
        // The answer to the last sending, if there was one, has not wanted the rest of the body.
        exchange.uploadPlan?.endUpload()
        let next = nextExchange()
        if replacesBody, let plan = next.uploadPlan { try await plan.prepare(next) }
        return try await exchange.core.send(next)
    }

    /// What is sent.
    func nextExchange() -> Exchange {
        let core = exchange.core
        let changesOrigin = uri.origin != exchange.uri.origin
        let fields = changesOrigin ? headers.withoutSecrets(of: exchange.ownFields) : headers
        let next = Exchange(
            core: core,
            method: method,
            uri: uri.withoutUserinfo,
            fields: fields,
            body: body,
            timeouts: replacesTimeouts ? TimeoutsBox(timeouts) : exchange.statedTimeouts,
            redirects: exchange.redirects,
            options: replacesOptions ? RequestOptionsBox(options) : exchange.options,
            uploadPlan: replacesBody ? nil : exchange.uploadPlan
        )
        next.inherit(from: exchange)
        if replacesTimeouts, timeouts.total != nil {
            next.totalDeadline = min(next.totalDeadline, core.loop.deadline(after: timeouts.total))
        }
        // What belongs to the caller's origin does not go to one that a middleware has chosen.
        if changesOrigin { next.withholdsSecrets = true }
        return next
    }
}

extension ClientRequest: CustomStringConvertible, CustomReflectable {
    /// Method and URL, without what may be secret.
    public var description: String { "\(method) \(uri.redacted)" }

    public var customMirror: Mirror { Mirror(self, children: ["method": method.rawValue, "uri": uri.redacted]) }
}
