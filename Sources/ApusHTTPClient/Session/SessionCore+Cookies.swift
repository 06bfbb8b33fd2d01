import ApusRuntime
import ApusWire
import HTTPTypes
import Logging
import Synchronization

// Cookies, once per hop, next to the connection: middlewares stand outside of it.
extension SessionCore {
    /// Whether a request may have cookies, be it from the jar or of its own. All that most requests pay.
    @inline(__always)
    func mayHaveCookies(_ exchange: Exchange) -> Bool {
        cookieJar.mayHaveCookies || exchange.options?.statesCookies == true
    }

    /// The Cookie field of a request, put together of what it and the session state, and the jar's; nil to leave it as it is.
    ///
    /// - Throws: ``ClientError`` `.invalidRequest` for a cookie that cannot be sent.
    @inline(never)
    func cookieField(of exchange: Exchange, _ host: HostRecord) throws -> HTTPField? {
        let omitsJar = exchange.options?.omits(.cookie) == true
        let cookies =
            omitsJar || !cookieJar.mayHaveCookies
            ? [] : cookieJar.withStore { $0.cookies(for: target(of: exchange), at: $1) }
        // Whoever has been sent elsewhere leaves them behind, as its other secrets.
        let own =
            exchange.withholdsSecrets ? [] : try exchange.options?.options.cookies.checked(for: exchange) ?? []
        guard !cookies.isEmpty || !own.isEmpty else { return nil }
        let header = CookieHeader(cookies, field: host.statedCookies(of: exchange), own: own)
        if header.omitted > 0 {
            configuration.logger.debug(
                "\(exchange.method) \(exchange.uri.redacted): \(header.omitted) cookies found no room in the request's 8 KiB of them."
            )
        }
        return HTTPField(name: .cookie, value: header.bytes)
    }

    /// Keeps the cookies that a response sets.
    @inline(never)
    func storeCookies(_ head: HTTP1ResponseHead, _ exchange: Exchange) {
        guard !cookieJar.isDisabled else { return }
        let cookies = head.setCookies
        let outcomes = cookieJar.store(cookies, from: target(of: exchange))
        let logger = configuration.logger
        for (cookie, outcome) in zip(cookies, outcomes) {
            if case .refused(let reason) = outcome {
                logger.debug("\(exchange.uri.redacted): cookie “\(cookie.name)” is not kept: \(reason.rawValue).")
            } else if let domain = cookie.domain, !Self.hasLoggedSuffixes.load(ordering: .relaxed),
                cookieJar.lacksSuffixes(for: domain), !Self.hasLoggedSuffixes.exchange(true, ordering: .relaxed)
            {
                logger.notice(
                    "Cookies with a Domain are kept for the host that set them alone, since nothing here knows which domains are public suffixes. Install libpsl (libpsl5), or give the jar a list: `CookieJar(publicSuffixes: .file(…))`."
                )
            }
        }
    }

    private static let hasLoggedSuffixes = Atomic<Bool>(false)

    private func target(of exchange: Exchange) -> CookieTarget {
        guard let options = exchange.options?.options, let page = options.siteForCookies else {
            return cookieJar.target(exchange.uri)
        }
        let relation: CookieTarget.Relation =
            cookieJar.isSameSite(page, exchange.uri)
            ? .sameSite
            : .crossSite(isNavigation: options.isNavigation, isSafe: CookieTarget.isSafe(exchange.method))
        return cookieJar.target(exchange.uri, relation: relation)
    }
}

extension RequestCookies {
    fileprivate func checked(for exchange: Exchange) throws -> [RequestCookie] {
        do {
            return try checked()
        } catch let error as ClientError {
            throw exchange.error(error.code, error.message)
        }
    }
}

extension HTTP1ResponseHead {
    /// The head's Set-Cookie fields, as far as they are cookies.
    var setCookies: [SetCookie] {
        var cookies: [SetCookie] = []
        block.forEach { name, value in
            guard name.count == 10, name.elementsEqual("set-cookie".utf8, by: { $0 | 0x20 == $1 }) else { return }
            if let cookie = SetCookie(bytes: Array(value)) { cookies.append(cookie) }
        }
        return cookies
    }
}
