public import ApusWire
import Synchronization

/// Keeps the cookies that servers set, and says which of them go with a request (RFC 6265bis): aiohttp's `CookieJar`.
///
/// Every session has one. Give several sessions the same, or keep it in a file from one run to the next:
///
/// ```swift
/// let jar = CookieJar()
/// try await jar.load(from: "cookies.json")
/// var configuration = ClientSession.Configuration()
/// configuration.cookieJar = jar
/// try await ClientSession.with(configuration) { session in
///     print(try await session.get("https://example.com/account").text())
/// }
/// try await jar.save(to: "cookies.json")
/// ```
///
/// It is safe from any thread, and bounded: 50 cookies of a domain and 3,000 in all, 4 KiB each, and no more than 8 KiB with one request.
/// What has to go is chosen as the RFC says: ended ones, then those that are not Secure, then the longest unused.
public final class CookieJar: Sendable {
    private let store = Mutex(CookieStore())
    /// Of the store: most requests of most programs find none, and look no further.
    private let stored = Atomic<Int>(0)
    private let suffixes: PublicSuffixes
    private let secureOrigins: Set<Origin>
    let isDisabled: Bool

    /// An empty jar.
    ///
    /// - Parameters:
    ///   - secureOrigins: http origins that may have and set Secure cookies as if they were https, such as a test server of your own.
    ///   - publicSuffixes: which domains are nobody's.
    public convenience init(secureOrigins: Set<Origin> = [], publicSuffixes: PublicSuffixes = .system) {
        self.init(secureOrigins, publicSuffixes, isDisabled: false)
    }

    private init(_ secureOrigins: Set<Origin>, _ suffixes: PublicSuffixes, isDisabled: Bool) {
        self.secureOrigins = secureOrigins
        self.suffixes = suffixes
        self.isDisabled = isDisabled
    }

    /// Keeps nothing and says nothing: aiohttp's `DummyCookieJar`. A request's own cookies still go with it.
    public static let disabled = CookieJar([], .unknown, isDisabled: true)

    /// Whether a request may have to look. One word, read without the lock.
    @inline(__always)
    var mayHaveCookies: Bool { stored.load(ordering: .relaxed) != 0 }

    /// Works on the store under the lock.
    func withStore<Result>(_ body: (inout CookieStore, CookieMoment) throws -> sending Result) rethrows
        -> sending Result
    {
        let moment = CookieMoment.current()
        return try store.withLock { store in
            defer { stored.store(store.count, ordering: .relaxed) }
            return try body(&store, moment)
        }
    }

    // MARK: Looking

    /// All cookies that have not ended, oldest first.
    public var cookies: [Cookie] { withStore { $0.cookies(at: $1) } }

    /// How many cookies there are that have not ended.
    public var count: Int { cookies.count }

    /// Whether there is no cookie.
    public var isEmpty: Bool { count == 0 }

    /// The cookies that would go with a request to `url`, in their order: longer paths first.
    ///
    /// - Throws: ``ClientError`` `.invalidURL`.
    public func cookies(for url: some RequestURL) throws -> [Cookie] {
        let target = target(try Self.uri(url))
        return withStore { $0.cookies(for: target, at: $1) }
    }

    // MARK: Setting

    /// Keeps a cookie as if the server at `url` had set it.
    ///
    /// ```swift
    /// try jar.store("session=31d4; Path=/; Secure; HttpOnly", from: "https://example.com/")
    /// ```
    ///
    /// - Parameter field: the value of a Set-Cookie field.
    /// - Returns: whether it was kept. False also where it has removed another.
    /// - Throws: ``ClientError`` `.invalidURL`.
    @discardableResult
    public func store(_ field: String, from url: some RequestURL) throws -> Bool {
        let uri = try Self.uri(url)
        guard let cookie = SetCookie(field) else { return false }
        return store([cookie], from: target(uri)) == [.stored]
    }

    /// Keeps cookies for the host of `url`: for it alone, all its paths, and secure connections only if `url` is one.
    ///
    /// ```swift
    /// try jar.set(["theme": "dark"], for: "https://example.com/")
    /// ```
    ///
    /// - Throws: ``ClientError`` `.invalidURL`, and `.invalidRequest` for what no Cookie field can carry.
    public func set(_ cookies: RequestCookies, for url: some RequestURL) throws {
        let uri = try Self.uri(url)
        let checked = try cookies.checked()
        withStore { store, moment in
            if isDisabled { return }
            for cookie in checked {
                _ = store.insert(
                    Cookie(
                        name: cookie.name,
                        valueBytes: Array(cookie.value.utf8),
                        domain: uri.host,
                        isHostOnly: true,
                        path: "/",
                        expires: nil,
                        isSecure: uri.isSecure,
                        isHTTPOnly: false,
                        sameSite: nil,
                        isPartitioned: false
                    ),
                    at: moment
                )
            }
        }
    }

    /// Keeps what a response has set.
    func store(_ cookies: [SetCookie], from target: CookieTarget) -> [CookieOutcome] {
        guard !isDisabled else { return [] }
        return withStore { store, moment in
            cookies.map { store.store($0, from: target, at: moment, suffix: suffixes.answer) }
        }
    }

    /// Whether cookies with a Domain are kept for their host alone, for lack of a list.
    func lacksSuffixes(for domain: String) -> Bool { suffixes.answer(domain) == .unknown }

    /// Whether a domain can be somebody's: no public suffix.
    func isOwned(_ domain: String) -> Bool { suffixes.answer(domain) != .isSuffix }

    // MARK: Removing

    /// Removes all cookies.
    public func removeAll() { withStore { store, _ in store.removeAll() } }

    /// Removes the cookies for which `shallGo` is true.
    ///
    /// - Parameter shallGo: runs while the jar is locked, and must not use it.
    public func removeAll(where shallGo: (Cookie) -> Bool) { withStore { store, _ in store.remove(where: shallGo) } }

    /// Removes the cookies of a domain and of all hosts below it: aiohttp's `clear_domain`.
    public func removeAll(domain: String) { withStore { store, _ in store.remove(domain: domain.lowercased()) } }

    // MARK: Requests

    func target(_ uri: URI, relation: CookieTarget.Relation = .unstated) -> CookieTarget {
        let isSecure = uri.isSecure || !secureOrigins.isEmpty && secureOrigins.contains(uri.origin)
        return CookieTarget(uri, isSecure: isSecure, relation: relation)
    }

    func isSameSite(_ one: URI, _ other: URI) -> Bool {
        CookieTarget.isSameSite(one, other, registrableDomain: suffixes.registrableDomain)
    }

    private static func uri(_ url: some RequestURL) throws -> URI {
        do {
            return try url.uri()
        } catch {
            throw ClientError(.invalidURL, "The URL cannot be used: \(error)", cause: error)
        }
    }
}

extension CookieJar: Sequence {
    /// Goes through the cookies as they are now.
    public func makeIterator() -> IndexingIterator<[Cookie]> { cookies.makeIterator() }

    /// So that `Array(jar)` does not ask twice.
    public var underestimatedCount: Int { 0 }
}

extension CookieJar: CustomStringConvertible, CustomReflectable {
    /// How many cookies there are; none of them.
    public var description: String { isDisabled ? "CookieJar.disabled" : "CookieJar(\(count) cookies)" }

    public var customMirror: Mirror { Mirror(self, children: ["count": count]) }
}
