import ApusNet
import ApusRuntime
import ApusWire
import HTTPTypes
import Logging

// The road of one request: redirects, then one exchange, then one try on one connection.
extension SessionCore {
    /// Sends `request` and follows its redirects.
    func perform(_ request: PreparedRequest) async throws -> ClientResponse {
        let totalDeadline = loop.deadline(after: request.timeouts.total)
        var request = request
        var history: [ClientResponse.Hop] = []
        while true {
            let exchange = Exchange(core: self, totalDeadline: totalDeadline)
            var response = try await withTaskCancellationHandler {
                try await self.exchange(request, exchange)
            } onCancel: {
                exchange.cancel()
            }
            response.history = history
            guard RedirectStep.isRedirect(response.head.statusCode), request.redirects.limit > 0,
                let location = response.head.block.first("location")
            else { return response }
            await response.discard()
            history.append(.init(uri: request.uri, status: response.status))
            guard history.count <= request.redirects.limit else {
                throw ClientError(
                    .tooManyRedirects,
                    "More than \(request.redirects.limit) redirects. Raise `redirects: .follow(upTo:)` if they lead somewhere.",
                    method: request.method,
                    uri: request.uri
                )
            }
            request = try redirected(request, status: response.head.statusCode, to: location)
        }
    }

    private func redirected(_ request: PreparedRequest, status: Int, to location: String) throws -> PreparedRequest {
        let step: RedirectStep
        do {
            step = try RedirectStep(
                status: status,
                location: location,
                from: request.uri,
                method: request.method,
                policy: request.redirects
            )
        } catch {
            throw ClientError(
                .invalidRedirect,
                "The server redirects, but not to a place to follow: \(error)",
                cause: error,
                method: request.method,
                uri: request.uri
            )
        }
        var fields = request.fields
        if step.changesOrigin {
            for name in RedirectStep.secretFields { fields[name] = nil }
            fields.removeSensitive()
        }
        if !step.keepsBody {
            for name in RedirectStep.bodyFields { fields[name] = nil }
        }
        // It named the first host, and would be wrong (or worse, believed) at the next.
        fields[.hostField] = nil
        return PreparedRequest(
            method: step.method,
            uri: step.uri,
            fields: fields,
            body: step.keepsBody ? request.body : nil,
            timeouts: request.timeouts,
            redirects: request.redirects
        )
    }

    /// One exchange. A reused connection that dies before the first byte of a response is replaced once, by a new one.
    private func exchange(_ request: PreparedRequest, _ exchange: Exchange) async throws -> ClientResponse {
        statistics.requests += 1
        var request = request
        let host = try host(of: request.uri, method: request.method)
        host.prepare(&request)
        var mayResend = request.isIdempotent
        while true {
            let connection: ClientConnection
            do {
                connection = try await acquire(host, exchange, request)
            } catch {
                throw describe(error, request, exchange)
            }
            let isReused = connection.uses > 0
            exchange.waiting = .descriptor(connection.descriptor.token)
            do {
                let response = try await respond(to: request, on: connection, exchange)
                exchange.waiting = .nothing
                return response
            } catch {
                exchange.waiting = .nothing
                finished(connection, isReusable: false)
                if isReused, mayResend, !connection.hasReceived, !isClosed, Self.isDeadConnection(error) {
                    mayResend = false
                    statistics.resends += 1
                    configuration.logger.debug(
                        "\(request.method) \(request.uri.redacted): the server had closed the idle connection; sending again on a new one"
                    )
                    continue
                }
                throw describe(error, request, exchange)
            }
        }
    }

    /// One try: write, read the head, and the body as far as it came with it.
    private func respond(
        to request: PreparedRequest,
        on connection: ClientConnection,
        _ exchange: Exchange
    ) async throws -> ClientResponse {
        do {
            try await connection.send(request, exchange, idle: request.timeouts.idle)
        } catch let error as NetError where request.body != nil && error.code != .closed {
            // The server may have answered without wanting the body, and closed: its answer is worth more than our error.
            guard let head = try? await connection.receiveHead(exchange, deadline: exchange.deadline(.seconds(1))) else {
                throw error
            }
            return try assemble(head, request, on: connection, exchange)
        }
        let head = try await connection.receiveHead(exchange, deadline: exchange.deadline(request.timeouts.head))
        return try assemble(head, request, on: connection, exchange)
    }

    /// Makes the response; if the whole body is there already, the connection goes back at once.
    private func assemble(
        _ head: HTTP1ResponseHead,
        _ request: PreparedRequest,
        on connection: ClientConnection,
        _ exchange: Exchange
    ) throws -> ClientResponse {
        let http = connection.http
        var buffered: [UInt8] = []
        connection.keepAliveHint = head.keepAlive ? ClientConnection.keepAliveHint(head) : nil
        while true {
            switch try http.pointee.next() {
            case .data(let data):
                if buffered.isEmpty { buffered = http.pointee.copy(data) } else { http.pointee.append(data, to: &buffered) }
            case .end(let trailers):
                finished(connection, isReusable: true)
                let body = ResponseBody(complete: buffered, trailers: trailers, limit: configuration.bodyLimit)
                return ClientResponse(head: head, uri: request.uri, method: request.method, body: body)
            case .needData:
                let stream = BodyStream(
                    connection: connection,
                    first: buffered,
                    request: request,
                    totalDeadline: exchange.totalDeadline
                )
                let body = ResponseBody(stream: stream, on: loop, limit: configuration.bodyLimit)
                return ClientResponse(head: head, uri: request.uri, method: request.method, body: body)
            case .upgraded, .closed, .paused, .request, .informational, .response:
                throw ClientError(
                    .malformedResponse,
                    "The server switched to another protocol, which nobody asked for.",
                    method: request.method,
                    uri: request.uri
                )
            }
        }
    }

    // MARK: Errors

    private static func isDeadConnection(_ error: any Error) -> Bool {
        if let error = error as? HTTP1Error { return error.code == .closedBeforeResponse }
        if let error = error as? NetError { return error.code == .connectionReset || error.code == .brokenPipe }
        return false
    }

    /// Maps what happened below, once, and attaches the request.
    func describe(_ error: any Error, _ request: PreparedRequest, _ exchange: Exchange?) -> any Error {
        if error is CancellationError || error is ClientError || error is LoopError { return error }
        if isClosed { return sessionClosed(request) }
        let (code, message) = Self.explain(error, request.timeouts, exchange)
        return ClientError(code, message, cause: error, method: request.method, uri: request.uri)
    }

    private static func explain(
        _ error: any Error,
        _ timeouts: Timeouts,
        _ exchange: Exchange?
    ) -> (ClientError.Code, String) {
        switch error {
        case let error as StageTimeout: return (error.code, explain(error.code, timeouts))
        case let error as HTTP1Error:
            switch error.code {
            case .closedBeforeResponse: return (.connectionClosed, "The server closed the connection without answering.")
            case .closedInHead: return (.closedInHead, "The server closed the connection inside the response's head.")
            case .closedInBody: return (.closedInBody, "The server closed the connection inside the body: \(error.message)")
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
            case .timedOut:
                let code = exchange?.code(.connectTimeout) ?? .connectTimeout
                return (code, "\(explain(code, timeouts)) \(error)")
            case .connectionReset, .brokenPipe:
                return (.connectionClosed, "The server broke the connection off. \(error)")
            default: return (.connectionFailed, "\(error)")
            }
        default: return (.connectionFailed, "\(error)")
        }
    }

    private static func explain(_ code: ClientError.Code, _ timeouts: Timeouts) -> String {
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

extension HTTPFields {
    /// Removes what the user marked as sensitive.
    fileprivate mutating func removeSensitive() {
        guard contains(where: { $0.indexingStrategy == .avoid || $0.indexingStrategy == .disallow }) else { return }
        var kept = HTTPFields()
        for field in self where field.indexingStrategy == .automatic || field.indexingStrategy == .prefer { kept.append(field) }
        self = kept
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
