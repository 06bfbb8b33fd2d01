import ApusNet
import ApusRuntime
import ApusWire
import HTTPTypes
import Logging

// The road of one request: redirects, then one exchange, then one try on one connection.
extension SessionCore {
    /// Sends the request and follows its redirects.
    @usableFromInline
    func perform(_ exchange: Exchange) async throws -> ClientResponse {
        exchange.moments.called = loop.now
        if isObserved { return try await performObserved(exchange) }
        return try await performUnobserved(exchange)
    }

    /// The same, for nobody or with its observation in place.
    @inline(__always)
    func performUnobserved(_ exchange: Exchange) async throws -> ClientResponse {
        if exchange.limits.total != .max {
            exchange.totalDeadline = loop.deadline(after: exchange.timeouts.total)
        }
        if let plan = exchange.uploadPlan { try await plan.prepare(exchange) }
        let response = exchange.hasMiddleware ? try await sendThroughMiddleware(exchange) : try await send(exchange)
        if RedirectStep.isRedirect(response.head.statusCode), exchange.redirects.limit > 0 {
            return try raising(await follow(response, exchange))
        }
        return try raising(response)
    }

    /// Sends the request once, without its middlewares and without following redirects.
    @inline(__always)
    func send(_ exchange: Exchange) async throws -> ClientResponse {
        if exchange.authenticates { return try await sendAuthenticated(exchange) }
        return try await sendPlainly(exchange)
    }

    /// Sends the request as it is.
    @inline(__always)
    func sendPlainly(_ exchange: Exchange) async throws -> ClientResponse {
        if let observation = exchange.observation { return try await sendObserved(exchange, observation) }
        return try await sendUnobserved(exchange)
    }

    /// The same, for nobody or within its span.
    @inline(__always)
    func sendUnobserved(_ exchange: Exchange) async throws -> ClientResponse {
        let response = try await withCancellationTarget(exchange) {
            try await respond(to: exchange)
        }
        if response.head.statusCode == 417 { return try await withoutExpectation(response, exchange) }
        return response
    }

    @inline(never)
    private func sendThroughMiddleware(_ exchange: Exchange) async throws -> ClientResponse {
        let options = exchange.options?.options
        var list = options?.middleware ?? configuration.middleware
        // The outermost: each attempt is one for the others.
        if let retry = options?.retry ?? configuration.retry { list.insert(retry, at: 0) }
        return try await ClientRequest.Next(list[...])(ClientRequest(exchange))
    }

    /// The response, if its status is none that the request has as an error.
    @inline(__always)
    private func raising(_ response: ClientResponse) throws -> ClientResponse {
        if response.head.statusCode >= 400 { try raise(response) }
        return response
    }

    @inline(never)
    private func raise(_ response: ClientResponse) throws {
        let exchange = response.storage.exchange
        // RFC 9110 §15.5.8: 407 is a proxy's own word, whether it was asked for a tunnel or passes requests on.
        if response.head.statusCode == 407, let proxy = exchange.connectionFacts?.forwardingProxy {
            response.release()
            throw response.storage.statusError(
                .proxyAuthenticationRequired,
                ProxyFailure.wantsCredentials(proxy, response.head.block.values("proxy-authenticate"))
            )
        }
        if exchange.raisesForStatus { try response.raiseForStatus() }
    }

    /// RFC 9110 §10.1.1: a client that gets 417 should ask again without the expectation.
    @inline(never)
    private func withoutExpectation(_ response: ClientResponse, _ exchange: Exchange) async throws -> ClientResponse {
        guard let plan = exchange.uploadPlan, plan.expectsContinue, plan.canBegin else { return response }
        plan.expectsContinue = false
        response.release()
        plan.endUpload()
        return try await withCancellationTarget(exchange) {
            try await respond(to: exchange)
        }
    }

    @inline(never)
    private func follow(_ first: ClientResponse, _ firstExchange: Exchange) async throws -> ClientResponse {
        var response = first
        var exchange = firstExchange
        var history: [ClientResponse.Hop] = []
        // An empty Location names the page that it came from: asking again would be answered the same. It counts as none, as with curl,
        // Go and aiohttp.
        while RedirectStep.isRedirect(response.head.statusCode), let location = response.head.block.first("location"),
            !location.isEmpty
        {
            response.release()
            // Else it would go on to a server that does not want it, beside the one to come, or instead of the connection.
            exchange.uploadPlan?.endUpload()
            history.append(.init(uri: response.uri, status: response.status))
            guard history.count <= exchange.redirects.limit else {
                throw exchange.error(
                    .tooManyRedirects,
                    "More than \(exchange.redirects.limit) redirects. Raise `redirects: .follow(upTo:)` if they lead somewhere."
                )
            }
            // One of the two may be somebody else's, who got a line into the head.
            guard !response.head.block.values("location").contains(where: { $0 != location }) else {
                throw exchange.error(.invalidRedirect, "The server redirects to several places at once.")
            }
            let next = try redirected(exchange, response, to: location)
            exchange.tell { $0.requestRedirected($1, response, to: next.uri) }
            exchange = next
            response = next.hasMiddleware ? try await sendThroughMiddleware(next) : try await send(next)
        }
        response.storage.history = history
        return response
    }

    private func redirected(
        _ exchange: Exchange,
        _ response: ClientResponse,
        to location: String
    ) throws -> Exchange {
        let status = response.head.statusCode
        // A middleware may have sent the request elsewhere: the answer speaks of that place.
        let origin = response.uri
        let step: RedirectStep
        do {
            step = try RedirectStep(
                status: status,
                location: location,
                from: origin,
                method: exchange.method,
                policy: exchange.redirects
            )
        } catch {
            throw exchange.error(
                .invalidRedirect,
                "The server redirects, but not to a place to follow: \(error)",
                cause: error
            )
        }
        var fields = exchange.ownFields
        let changesOrigin = step.changesOrigin || step.uri.origin != exchange.uri.origin
        if changesOrigin { fields.removeSecrets() }
        if !step.keepsBody {
            for name in RedirectStep.bodyFields { fields[name] = nil }
        }
        // It named the first host, and would be wrong (or worse, believed) at the next.
        fields[.hostField] = nil
        if step.keepsBody, let plan = exchange.uploadPlan, !plan.canBegin {
            throw exchange.error(
                .bodyNotRestartable,
                "The server redirects with \(status), which asks for the body once more, and the body cannot be made again. "
                    + "Send bytes or a file, or a body with `isRestartable: true`; or ask the final URL."
            )
        }
        let next = Exchange(
            core: self,
            method: step.method,
            // A server does not choose who we are.
            uri: step.uri.withoutUserinfo,
            fields: fields,
            body: step.keepsBody ? exchange.body : nil,
            timeouts: exchange.statedTimeouts,
            redirects: exchange.redirects,
            options: exchange.options,
            uploadPlan: step.keepsBody ? exchange.uploadPlan : nil
        )
        next.inherit(from: exchange)
        next.redirectCount += 1
        if changesOrigin { next.withholdsSecrets = true }
        return next
    }

    /// One exchange. A reused connection that dies before the first byte of a response is replaced once, by a new one.
    @inline(__always)
    private func respond(to exchange: Exchange) async throws -> ClientResponse {
        if EventLoop.currentTaskIsCancelled { throw CancellationError() }
        if isClosed { throw sessionClosed(exchange) }
        let host = try host(of: exchange)
        host.counters.requests &+= 1
        host.users &+= 1
        defer { host.users &-= 1 }
        if mayHaveCookies(exchange) {
            host.prepare(exchange, cookies: try cookieField(of: exchange, host))
        } else if exchange.isPlain {
            host.preparePlain(exchange)
        } else {
            host.prepare(exchange)
        }
        if let idle = pool.idleConnection(host.index, for: self) {
            host.counters.reuses &+= 1
            exchange.tell { $0.connectionReused($1) }
            do {
                return try await attempt(exchange, on: idle)
            } catch {
                return try await recover(from: error, on: idle, exchange, host)
            }
        }
        return try await attemptOnAcquiredConnection(exchange, host)
    }

    /// With a connection that is opened, or waited for.
    @inline(never)
    private func attemptOnAcquiredConnection(_ exchange: Exchange, _ host: HostRecord) async throws -> ClientResponse {
        let connection: ClientConnection
        do {
            exchange.moments.queued = loop.currentTime()
            connection = try await acquire(host, exchange)
            exchange.moments.acquired = loop.currentTime()
        } catch {
            throw describe(error, exchange)
        }
        do {
            try connection.checkSilence(exchange)
            return try await attempt(exchange, on: connection)
        } catch {
            return try await recover(from: error, on: connection, exchange, host)
        }
    }

    /// After a failed try: if the connection was an old one and dead, sends once more, on a new one in its place (another old one
    /// may be dead too). Else gives the connection up, and throws.
    @inline(never)
    private func recover(
        from error: any Error,
        on failed: ClientConnection,
        _ exchange: Exchange,
        _ host: HostRecord
    ) async throws -> ClientResponse {
        exchange.progress = failed.hasReceived ? .head : .request
        guard failed.uses > 1, !failed.hasReceived, !isClosed, !pool.isClosed, exchange.canSendAgain,
            Self.isDeadConnection(error)
        else {
            finished(failed, isReusable: false)
            throw describe(error, exchange)
        }
        host.counters.resends &+= 1
        knownRetryBudget?.noteRetry(at: loop.currentTime())
        configuration.logger.debug(
            "\(exchange.method) \(exchange.uri.redacted): the server had closed the idle connection; sending again"
        )
        do {
            let fresh = try await replace(failed, exchange)
            do {
                try fresh.checkSilence(exchange)
                return try await attempt(exchange, on: fresh)
            } catch {
                exchange.progress = fresh.hasReceived ? .head : .request
                finished(fresh, isReusable: false)
                throw error
            }
        } catch {
            throw describe(error, exchange)
        }
    }

    /// One try: write, read the head, and the body as far as it came with it.
    @inline(__always)
    private func attempt(_ exchange: Exchange, on connection: ClientConnection) async throws -> ClientResponse {
        if let plan = exchange.uploadPlan { return try await attempt(exchange, plan, on: connection) }
        exchange.waiting = .descriptor(connection.descriptor.token)
        defer { exchange.waiting = .nothing }
        if try !sendNow(exchange, on: connection), let early = try await sendRest(exchange, on: connection) {
            return early
        }
        if exchange.observation != nil { tellSent(exchange) }
        let deadline = exchange.headDeadline()
        while true {
            if connection.isUnsent, let early = try await sendRest(exchange, on: connection) { return early }
            // After a request has been written there is nothing to read yet: no system call that is sure to say EAGAIN.
            if !connection.descriptor.mayRead {
                let outcome = await connection.descriptor.waitReadable(deadline: deadline)
                if outcome != .ready { try connection.check(outcome, exchange, stage: .headTimeout) }
            }
            if let response = try receiveResponse(exchange, on: connection) { return response }
        }
    }

    /// Reads, and makes the response if its head is complete.
    ///
    /// A function of its own: what it needs does not stay in memory of each task that waits.
    @inline(never)
    private func receiveResponse(_ exchange: Exchange, on connection: ClientConnection) throws -> ClientResponse? {
        try connection.receive()
        guard let head = try connection.nextHead() else { return nil }
        return try assemble(head, exchange, on: connection)
    }

    /// - Returns: whether the whole request is written, or the connection broke while its body was, which the server may explain.
    private func sendNow(_ exchange: Exchange, on connection: ClientConnection) throws -> Bool {
        do {
            return try connection.send(exchange)
        } catch let error as NetError where exchange.body != nil && error.code != .closed {
            return true
        }
    }

    @inline(never)
    private func tellSent(_ exchange: Exchange) {
        exchange.tell { $0.requestHeadSent($1) }
        guard let body = exchange.smallBody, !body.isEmpty else { return }
        exchange.tell { $0.requestBodySent($1, byteCount: body.count) }
    }

    /// - Returns: a response that came before the request was written.
    @inline(never)
    private func sendRest(_ exchange: Exchange, on connection: ClientConnection) async throws -> ClientResponse? {
        let head: HTTP1ResponseHead?
        do {
            head = try await connection.finishSending(exchange)
        } catch let error as NetError where exchange.body != nil && error.code != .closed {
            // The server may have answered without wanting the body, and closed: its answer is worth more than our error.
            return nil
        }
        return try head.map { try assemble($0, exchange, on: connection) }
    }

    /// Makes the response; if the whole body is there already, the connection goes back at once.
    func assemble(
        _ head: consuming HTTP1ResponseHead,
        _ exchange: Exchange,
        on connection: ClientConnection
    ) throws -> ClientResponse {
        let http = connection.http
        var buffered: [UInt8] = []
        connection.keepAliveHint = head.hasKeepAliveField ? ClientConnection.keepAliveHint(head) : nil
        exchange.connectionFacts = connection.facts
        exchange.moments.head = loop.now
        exchange.moments.isFirst = connection.uses == 1
        if head.hasSetCookie { storeCookies(head, exchange) }
        let plan = head.hasContentEncoding && exchange.decompresses ? ContentPlan(copy head) : nil
        while true {
            switch try http.pointee.next() {
            case .data(let data):
                if buffered.isEmpty {
                    buffered = http.pointee.copy(data)
                } else {
                    http.pointee.append(data, to: &buffered)
                }
            case .end(let trailers):
                finished(connection, isReusable: true)
                if !buffered.isEmpty { exchange.tell { $0.responseBodyReceived($1, byteCount: buffered.count) } }
                return ClientResponse(
                    ResponseStorage(consume head, exchange, complete: buffered, trailers: trailers, plan)
                )
            case .needData:
                let stream = BodyStream(connection: connection, first: buffered, exchange, plan)
                return ClientResponse(ResponseStorage(consume head, exchange, stream: stream))
            case .upgraded, .closed, .paused, .request, .informational, .response:
                throw exchange.error(
                    .malformedResponse,
                    "The server switched to another protocol, which nobody asked for."
                )
            }
        }
    }

    // MARK: Errors

    private static func isDeadConnection(_ error: any Error) -> Bool {
        if let error = error as? HTTP1Error { return error.code == .closedBeforeResponse }
        if let error = error as? NetError {
            // Over TLS a close without close_notify is an error of its own.
            return [.connectionReset, .brokenPipe, .unexpectedEnd].contains(error.code)
        }
        return false
    }

    /// Maps what happened below, once, and attaches the request.
    func describe(_ error: any Error, _ exchange: Exchange) -> any Error {
        if error is CancellationError || error is ClientError || error is LoopError { return error }
        if let closed = loop.closedError { return closed }
        if isClosed || pool.isClosed { return sessionClosed(exchange) }
        if let failure = error as? ProxyFailure { return failure.clientError(exchange) }
        let (code, message) = Self.explain(error, exchange)
        return exchange.error(code, message, cause: error)
    }

    private static func explain(
        _ error: any Error,
        _ exchange: Exchange
    ) -> (ClientError.Code, String) {
        switch error {
        case let error as StageTimeout: return (error.code, explain(error.code, exchange.timeouts))
        case let error as HTTP1Error:
            switch error.code {
            case .closedBeforeResponse:
                return (.connectionClosed, "The server closed the connection without answering.")
            case .closedInHead: return (.closedInHead, "The server closed the connection inside the response's head.")
            case .closedInBody:
                return (.closedInBody, "The server closed the connection inside the body: \(error.message)")
            case .startLineTooLong, .fieldLineTooLong, .headTooLarge, .tooManyFields, .trailersTooLarge:
                return (.headTooLarge, "The response's head is over a limit: \(error.message)")
            default:
                return error.isPeerFault
                    ? (.malformedResponse, "What the server sent is not acceptable HTTP/1.1: \(error.message)")
                    : (.invalidRequest, "The request cannot be sent: \(error.message)")
            }
        case let error as NetError:
            switch error.code {
            case .connectionRefused: return (.connectionRefused, "\(error)")
            case .unknownHost: return (.unknownHost, "\(error)")
            case .addressRefused: return (.addressRefused, "\(error)")
            case .unexpectedEnd, .connectionReset, .brokenPipe:
                // TLS itself has failed, such as by an alert that refuses our certificate.
                if let tls = error.cause as? TLSError, tls.code != .truncated { return (.tlsFailed, "\(error)") }
                switch exchange.progress {
                case .request: return (.connectionClosed, "The server broke the connection off. \(error)")
                case .head:
                    return (.closedInHead, "The server broke the connection off inside the response's head. \(error)")
                case .body: return (.closedInBody, "The server broke the connection off inside the body. \(error)")
                }
            default: return (.connectionFailed, "\(error)")
            }
        case let error as TLSError:
            guard error.isTimeout else { return (.tlsFailed, "\(error)") }
            let code = exchange.code(.connectTimeout)
            return (code, "\(explain(code, exchange.timeouts)) \(error)")
        default: return (.connectionFailed, "\(error)")
        }
    }

    static func explain(_ code: ClientError.Code, _ timeouts: Timeouts) -> String {
        func text(_ duration: Duration?) -> String { duration.map { "\($0)" } ?? "for ever" }
        return switch code {
        case .connectTimeout: "No connection within \(text(timeouts.connect)) (`timeouts.connect`)."
        case .headTimeout: "No complete response head within \(text(timeouts.head)) (`timeouts.head`)."
        case .idleTimeout: "No more of the body within \(text(timeouts.idle)) (`timeouts.idle`)."
        case .writeTimeout: "The server took nothing of the request for \(text(timeouts.idle)) (`timeouts.idle`)."
        case .totalTimeout: "Not finished within \(text(timeouts.total)) (`timeouts.total`)."
        default: "A deadline passed."
        }
    }
}

extension ClientConnection {
    /// The `timeout` parameter of `Keep-Alive` (RFC 2068 §19.7.1.1, in use although never standardised since).
    static func keepAliveHint(_ head: HTTP1ResponseHead) -> Duration? {
        guard let value = head.block.first("keep-alive") else { return nil }
        for parameter in value.split(separator: ",") {
            let parts = parameter.split(separator: "=", maxSplits: 1)
            guard parts.count == 2, parts[0].allSatisfy({ $0 == " " || $0.isLetter }),
                parts[0].filter({ $0 != " " }).lowercased() == "timeout"
            else { continue }
            let digits = parts[1].filter { $0 != " " && $0 != "\"" }
            return Int(digits).map { .seconds(min(max(0, $0), 86_400)) }
        }
        return nil
    }
}
