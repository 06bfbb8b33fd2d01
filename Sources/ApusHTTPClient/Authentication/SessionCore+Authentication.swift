import ApusNet
import ApusRuntime
import ApusWire
import HTTPTypes
import Logging

// What credentials need beyond a field: looking them up, and answering a challenge. Inside of the middlewares, once per hop.
extension SessionCore {
    /// Sends a request that answers challenges, or whose credentials have to be looked up.
    @inline(never)
    func sendAuthenticated(_ exchange: Exchange) async throws -> ClientResponse {
        // Whatever a field says was meant: a middleware's too.
        guard !exchange.withholdsSecrets, exchange.ownFields[.authorization] == nil else {
            return try await sendPlainly(exchange)
        }
        if exchange.authentication == nil { exchange.authentication = try await sessionCredentials(exchange) }
        if let login = exchange.authentication?.login {
            let entry = try await netrc(exchange)?.entry(for: exchange.uri.host, login: login)
            try setBasic(exchange, login, entry?.password ?? "")
        }
        guard let credentials = exchange.authentication?.digest else { return try await sendPlainly(exchange) }
        do {
            return try await sendWithDigest(exchange, credentials)
        } catch let error as AuthenticationError {
            let code: ClientError.Code = error.code == .invalidCredentials ? .invalidRequest : .authenticationFailed
            throw exchange.error(code, error.message, cause: error)
        } catch let error as NetError {
            throw exchange.error(.bodyFailed, "The request's body cannot be read: \(error)", cause: error)
        }
    }

    /// What the session has for a request that brings nothing.
    private func sessionCredentials(_ exchange: Exchange) async throws -> ExchangeAuthentication? {
        let isTrusted = configuration.trusts(exchange.uri.origin)
        if isTrusted, let auth = configuration.auth {
            return auth.digest.map { ExchangeAuthentication(digest: $0, isOfSession: true) }
        }
        if isTrusted, configuration.headers[.authorization] != nil { return nil }
        guard let entry = try await netrc(exchange)?.entry(for: exchange.uri.host), let password = entry.password else {
            return nil
        }
        exchange.authentication = ExchangeAuthentication(isOfSession: true)
        try setBasic(exchange, entry.login ?? "", password)
        return exchange.authentication
    }

    private func setBasic(_ exchange: Exchange, _ user: String, _ password: String) throws {
        do throws(AuthenticationError) {
            exchange.authentication?.field = try CredentialsField.basic(user: user, password: password)
        } catch {
            throw exchange.error(.invalidRequest, error.message)
        }
    }

    /// The file's entries, read at the first call.
    private func netrc(_ exchange: Exchange) async throws -> Netrc? {
        guard let file = configuration.netrc else { return nil }
        if let netrc { return netrc.netrc }
        let contents: NetrcFile.Contents
        do {
            contents = try await offload { try file.read() }
        } catch let error as AuthenticationError {
            throw exchange.error(.invalidRequest, error.message)
        }
        // Another request may have been first.
        if let netrc { return netrc.netrc }
        netrc = contents
        if let warning = contents.warning { configuration.logger.warning("\(warning)") }
        return contents.netrc
    }

    // MARK: Digest

    private func sendWithDigest(
        _ exchange: Exchange,
        _ credentials: DigestState.Credentials
    ) async throws -> ClientResponse {
        let known = digests.answered(credentials, exchange.uri)
        if let known { try await prove(known, exchange) }
        let response = try await sendPlainly(exchange)
        guard response.head.statusCode == 401 else {
            if let known { takeNext(response, known) }
            return response
        }
        guard let challenge = try challenge(response, exchange) else { return response }
        // The same nonce once more, which it does not call stale: it is the credentials that it refuses.
        if let known, known.state.isOf(challenge), !challenge.isStale { return response }
        try checkBody(exchange, response)
        await response.discard()
        try Task.checkCancellation()
        exchange.uploadPlan?.endUpload()
        exchange.progress = .request
        // A nonce that comes once more goes on being counted: from one again it would be a replay.
        let answered =
            try digests.answered(credentials, challenge, exchange.uri.origin)
            ?? AnsweredChallenge(
                DigestState(challenge, credentials),
                ProtectionSpace(domain: challenge.domain, of: exchange.uri)
            )
        try await prove(answered, exchange)
        let second = try await sendPlainly(exchange)
        // Wrong credentials are not sent by themselves the next time.
        if second.head.statusCode != 401 {
            takeNext(second, answered)
            digests.insert(answered, exchange.uri.origin)
        }
        return second
    }

    /// The challenge to be answered; nil if the response has none.
    private func challenge(_ response: ClientResponse, _ exchange: Exchange) throws -> DigestChallenge? {
        let offered = AuthenticationChallenge.parse(response.head.block.values("www-authenticate"))
        do {
            guard let challenge = try DigestChallenge.strongest(of: offered) else { return nil }
            // Who sits between can take the strong ones away; it has to have done so from the beginning.
            if let before = digests.strongest(in: challenge.realm, of: exchange.uri.origin),
                before > challenge.algorithm.hash
            {
                throw AuthenticationError(
                    .unusableChallenge,
                    "The server asks for Digest by \(challenge.algorithm.hash.name), and asked for \(before.name) before: somebody may have taken the "
                        + "stronger one away. If the server was changed, make a new session."
                )
            }
            return challenge
        } catch {
            response.release()
            throw error
        }
    }

    private func checkBody(_ exchange: Exchange, _ response: ClientResponse) throws {
        guard exchange.uploadPlan?.canBegin == false else { return }
        response.release()
        throw exchange.error(
            .bodyNotRestartable,
            "The server answers with a Digest challenge, which asks for the body once more, and the body cannot be made again. Send bytes or a "
                + "file, or a body with `isRestartable: true`; or make a request without a body first."
        )
    }

    /// Puts the proof for the next try into the request.
    private func prove(_ answered: AnsweredChallenge, _ exchange: Exchange) async throws {
        let protection = answered.state.protection(bodyIsAtHand: DigestHash.isAtHand(exchange))
        let hash = answered.state.challenge.algorithm.hash
        let bodyHash = protection == .headAndBody ? try await DigestHash.compute(hash, bodyOf: exchange) : nil
        exchange.authentication?.field = try answered.state.authorization(
            method: exchange.method.rawValue,
            target: String(decoding: exchange.uri.target, as: UTF8.self),
            protection: protection,
            bodyHash: bodyHash,
            clientNonce: Self.clientNonce(),
            hash: DigestHash.compute
        )
    }

    /// 128 bits by chance.
    private static func clientNonce() -> String {
        var random = SystemRandomNumberGenerator()
        return (0..<2).map { _ in
            let digits = String(random.next() as UInt64, radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }.joined()
    }

    private func takeNext(_ response: ClientResponse, _ answered: AnsweredChallenge) {
        guard let info = response.head.block.first("authentication-info") else { return }
        answered.state.takeNext(info)
    }
}
