import ApusRuntime
public import ApusWire
import HTTPTypes
import Synchronization

/// Sends a token with each request, and fetches a new one when there is none, when it is about to expire, and when the server answers 401.
///
/// ```swift
/// configuration.baseURL = try URI("https://api.example.com/")
/// configuration.middleware = [
///     TokenRefresh { rejected in
///         let answer = try await login.post("https://login.example.com/token", form: ["grant_type": "client_credentials"])
///         return AccessToken(try await answer.json(Grant.self).access_token, lifetime: .seconds(3600))
///     }
/// ]
/// ```
///
/// However many requests need a token at a time, it is fetched once, in a task of its own: all of them wait for it, one that is cancelled
/// ends its own wait only, and if fetching fails, all of them fail with that error. The next request tries again. After a 401 a
/// request is sent once more, with the new token, if its body can be made again; a second 401 is the answer.
///
/// The token goes to the origins named here, or else to those of the session's ``ClientSession/Configuration/baseURL`` and
/// ``ClientSession/Configuration/secretOrigins``, and not to where a redirect leads from them. Requests that have an `Authorization`
/// field or `auth:` of their own go as they are, and so do requests that `fetch` makes with the same session. One object may serve several
/// sessions, which then share the token. (aiohttp's cookbook of middlewares.)
public final class TokenRefresh: ClientMiddleware {
    private struct State {
        var token: AccessToken?
        /// When `token` is to be replaced, in nanoseconds of the loop's clock.
        var expiry = Int64.max
        /// The fetch under way.
        var pending: AsyncFuture<AccessToken>?
    }

    /// A token is replaced so long before its end, and one that lives shorter than ten times that at nine tenths of its life.
    private static let margin: Duration = .seconds(30)

    private let origins: Set<Origin>
    private let fetch: @Sendable (_ rejected: AccessToken?) async throws -> AccessToken
    private let state: Mutex<State>
    /// Whose fetch the running task belongs to: what that asks for cannot wait for itself.
    @TaskLocal private static var fetching: ObjectIdentifier?

    /// - Parameters:
    ///   - origins: where the token goes; empty for the session's own.
    ///   - initial: a token that is there already; its lifetime does not count, since nobody knows when that began.
    ///   - fetch: gives a new token. It gets the one that the server has refused, nil at first and for one that has expired. It runs on the
    ///     loop of the session that needs one, and is cancelled with that loop only: it needs limits of its own.
    public init(
        origins: Set<Origin> = [],
        initial: AccessToken? = nil,
        fetch: @escaping @Sendable (_ rejected: AccessToken?) async throws -> AccessToken
    ) {
        self.origins = origins
        self.fetch = fetch
        state = Mutex(State(token: initial))
    }

    /// Sends `request` with the token: see ``TokenRefresh``.
    ///
    /// - Throws: what fetching the token throws, to all who waited for it; ``ClientError`` `.invalidRequest` if nobody has said where the token
    ///   may go, and for what is no token; `.totalTimeout`; what `next` throws.
    ///
    /// Cancel safety: fetching goes on, for the others.
    public func handle(_ request: ClientRequest, next: ClientRequest.Next) async throws -> ClientResponse {
        guard try belongs(to: request) else { return try await next(request) }
        var request = request
        let token = try await token(for: request)
        try set(token, &request)
        let response = try await next(request)
        guard response.status.code == 401 else { return response }
        reject(token)
        guard request.canSend else { return response }
        let fresh: AccessToken
        do {
            await response.discard()
            fresh = try await self.token(for: request, rejected: token)
        } catch {
            response.release()
            throw error
        }
        try set(fresh, &request)
        return try await next(request)
    }

    private func belongs(to request: ClientRequest) throws -> Bool {
        let exchange = request.exchange
        guard !exchange.withholdsSecrets, exchange.authentication == nil, request.headers[.authorization] == nil,
            Self.fetching != ObjectIdentifier(self)
        else { return false }
        let origin = request.uri.origin
        if !origins.isEmpty { return origins.contains(origin) }
        let configuration = exchange.core.configuration
        guard configuration.baseURL != nil || !configuration.secretOrigins.isEmpty else {
            throw exchange.error(
                .invalidRequest,
                "A TokenRefresh has a token, and nothing says whose: every host would get it. Set `configuration.baseURL`, "
                    + "list origins in `configuration.secretOrigins`, or name them: `TokenRefresh(origins:)`."
            )
        }
        return configuration.trusts(origin)
    }

    private func set(_ token: AccessToken, _ request: inout ClientRequest) throws {
        do throws(AuthenticationError) {
            request.headers[.authorization] = try CredentialsField.bearer(token.value)
        } catch {
            throw request.exchange.error(.invalidRequest, error.message)
        }
    }

    // MARK: The token

    /// It is good for nobody any more, unless another one has taken its place.
    private func reject(_ token: AccessToken) {
        state.withLock { if $0.token == token { $0.token = nil } }
    }

    private func token(for request: ClientRequest, rejected: AccessToken? = nil) async throws -> AccessToken {
        let loop = request.exchange.core.loop
        while true {
            let (known, pending, isMine) = state.withLock { state -> (AccessToken?, AsyncFuture<AccessToken>?, Bool) in
                if let token = state.token, loop.currentTime() < state.expiry { return (token, nil, false) }
                if let pending = state.pending { return (nil, pending, false) }
                let pending = AsyncFuture<AccessToken>(name: "a token")
                state.pending = pending
                return (nil, pending, true)
            }
            if let known { return known }
            guard let pending else { continue }
            if isMine { start(pending, rejected, on: loop) }
            do {
                return try await value(of: pending, request)
            } catch is CancellationError where !Task.isCancelled {
                // The loop that fetched it has ended, and not this request.
                try Task.checkCancellation()
            }
        }
    }

    private func value(of pending: AsyncFuture<AccessToken>, _ request: ClientRequest) async throws -> AccessToken {
        guard let left = request.remainingTime else { return try await pending.value }
        do {
            return try await withTimeout(left) { try await pending.value }
        } catch let error as TimeoutError {
            throw request.exchange.error(
                .totalTimeout,
                "\(SessionCore.explain(.totalTimeout, request.timeouts)) It waited for a token.",
                cause: error
            )
        }
    }

    /// In a task of its own, so that it does not end with the request that happened to be first.
    private func start(_ pending: AsyncFuture<AccessToken>, _ rejected: AccessToken?, on loop: EventLoop) {
        loop.spawn(name: "token") {
            let result: Result<AccessToken, any Error>
            do {
                let token = try await Self.$fetching.withValue(ObjectIdentifier(self)) {
                    try await self.fetch(rejected)
                }
                result = .success(token)
            } catch is CancellationError where !Task.isCancelled {
                // Those who wait would take it for this loop's end, and ask for the next fetch, for ever.
                result = .failure(
                    ClientError(
                        .authenticationFailed,
                        "Fetching a token was given up by its own closure, although nobody had cancelled it."
                    )
                )
            } catch {
                result = .failure(error)
            }
            self.state.withLock { state in
                state.pending = nil
                guard case .success(let token) = result else { return }
                state.token = token
                state.expiry = Self.expiry(of: token, from: loop.currentTime())
            }
            pending.resolve(with: result)
            // Of those who waited all may have gone: whoever comes next tries again.
            _ = pending.result
        }
    }

    private static func expiry(of token: AccessToken, from now: Int64) -> Int64 {
        guard let lifetime = token.lifetime else { return .max }
        // The later of the two: for a life of 300 seconds they are the same.
        let good = max(lifetime - margin, lifetime * 9 / 10)
        return now.addingClamped(max(0, good.clampedNanoseconds))
    }
}

extension TokenRefresh: CustomStringConvertible, CustomReflectable {
    /// Not the token.
    public var description: String { "TokenRefresh" }
    public var customMirror: Mirror { Mirror(self, children: []) }
}
