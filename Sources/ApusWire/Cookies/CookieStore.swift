/// The cookies of a jar, as a value: what is kept, what goes with a request, what has ended (RFC 6265bis §5.7 and §5.8).
///
/// It knows no clock: each call is told the moment.
package struct CookieStore: Sendable {
    /// How much is kept (RFC 6265bis §6.1 has these as the least that a client should do).
    package struct Limits: Sendable, Hashable {
        /// Cookies of one domain.
        package var perDomain = 50
        package var total = 3000

        package init(perDomain: Int = 50, total: Int = 3000) {
            self.perDomain = perDomain
            self.total = total
        }
    }

    struct Entry: Sendable {
        var cookie: Cookie
        /// Of counting, not of a clock: their order survives every setting of clocks.
        var created: UInt64
        var used: UInt64
        /// Whether the end was stated as so long from now, rather than as a date.
        var endsRelative: Bool
    }

    /// No cookie lasts longer than 400 days (RFC 6265bis §5.5).
    package static let longestLife = 400 * 86_400
    /// Clocks are corrected by this much, in seconds, all the time; more is a jump.
    private static let tolerance = 60

    let limits: Limits
    private(set) var domains: [String: [Entry]] = [:]
    private var families = CookieFamilies()
    package private(set) var count = 0
    private var turn: UInt64 = 0
    private var offset: Int?
    /// No cookie ends before this second: until then nobody has to look.
    var earliestEnd = Int.max
    /// The longest unused, the first of them last: what is used meanwhile is skipped.
    var unused: [(domain: String, turn: UInt64)] = []

    package init(limits: Limits = Limits()) { self.limits = limits }

    // MARK: Setting

    /// Keeps what a server has set, if it may set it.
    ///
    /// - Parameter suffix: what is known of a domain.
    package mutating func store(
        _ set: SetCookie,
        from target: CookieTarget,
        at moment: CookieMoment,
        suffix: (String) -> PublicSuffixAnswer
    ) -> CookieOutcome {
        follow(moment)
        // Steps 7 to 9.
        let domain: String?
        switch Self.domain(set, target, suffix) {
        case .success(let found): domain = found
        case .failure(let problem): return .refused(problem.refusal)
        }
        // Steps 12 and 15.
        if set.isSecure, !target.isSecure { return .refused(.insecure) }
        let path = set.path ?? CookieRules.defaultPath(target.path)
        let effective = domain ?? target.host
        if !set.isSecure, !target.isSecure, hasSecure(set.name, effective, path) { return .refused(.shadowsSecure) }
        // Steps 18 to 21. Browsers refuse SameSite=None without Secure; where nobody states a page, SameSite is nobody's concern.
        guard target.admitsSetting(set.sameSite),
            target.relation == .unstated || set.sameSite != .noRestriction || set.isSecure
        else { return .refused(.crossSite) }
        let promises = CookieRules.keepsPromises(
            name: set.name,
            value: set.valueBytes,
            isSecure: set.isSecure,
            // Not by what becomes of it where there is no list: by what was said.
            isHostOnly: domain == nil && set.domain.map { $0 == target.host && suffix($0) == .isSuffix } != false,
            path: set.path
        )
        guard promises else { return .refused(.prefix) }
        let cookie = Cookie(
            name: set.name,
            valueBytes: set.valueBytes,
            domain: effective,
            isHostOnly: domain == nil,
            path: path,
            expires: Self.end(set, moment),
            isSecure: set.isSecure,
            isHTTPOnly: set.isHTTPOnly,
            sameSite: set.sameSite,
            isPartitioned: set.isPartitioned
        )
        return insert(cookie, endsRelative: set.maxAge != nil, at: moment)
    }

    private struct DomainProblem: Error {
        var refusal: CookieOutcome.Refusal
    }

    /// The domain that the cookie is for; nil for the host alone.
    private static func domain(
        _ set: SetCookie,
        _ target: CookieTarget,
        _ suffix: (String) -> PublicSuffixAnswer
    ) -> Result<String?, DomainProblem> {
        guard let domain = set.domain else { return .success(nil) }
        guard domain.utf8.allSatisfy({ $0 < 0x80 }) else { return .failure(DomainProblem(refusal: .domainNotASCII)) }
        guard CookieRules.domain(domain, matches: target.host) else {
            return .failure(DomainProblem(refusal: .foreignDomain))
        }
        if CookieRules.isAddress(domain) { return .success(nil) }
        switch suffix(domain) {
        case .isNone: return .success(domain)
        case .isSuffix where domain != target.host: return .failure(DomainProblem(refusal: .publicSuffix))
        // Without a list nobody knows whether strangers live below the domain: the host keeps the cookie for itself.
        case .isSuffix, .unknown: return .success(nil)
        }
    }

    /// Step 6: Max-Age counts more than Expires, and neither more than 400 days.
    private static func end(_ set: SetCookie, _ moment: CookieMoment) -> HTTPTimestamp? {
        let latest = moment.wall + longestLife
        if let age = set.maxAge {
            return HTTPTimestamp(secondsSince1970: age <= 0 ? .min : min(latest, moment.wall + min(age, longestLife)))
        }
        return set.expires.map { HTTPTimestamp(secondsSince1970: min(latest, $0.secondsSince1970)) }
    }

    /// Whether there is a Secure cookie that one without would stand in for (step 15).
    private func hasSecure(_ name: String, _ domain: String, _ path: String) -> Bool {
        func isShadowed(_ other: String) -> Bool {
            guard other == domain || CookieRules.isBelow(other, domain) || CookieRules.isBelow(domain, other) else {
                return false
            }
            return domains[other, default: []].contains {
                $0.cookie.isSecure && $0.cookie.name == name && CookieRules.path($0.cookie.path, matches: path)
            }
        }
        guard let related = families.related(to: domain) else { return domains.keys.contains(where: isShadowed) }
        return related.contains(where: isShadowed)
    }

    /// Keeps a cookie that is known to be acceptable, such as one of a file.
    package mutating func insert(_ cookie: Cookie, at moment: CookieMoment) -> CookieOutcome {
        follow(moment)
        var cookie = cookie
        if let end = cookie.expires?.secondsSince1970 {
            cookie.expires = HTTPTimestamp(secondsSince1970: min(end, moment.wall + Self.longestLife))
        }
        return insert(cookie, endsRelative: false, at: moment)
    }

    private mutating func insert(_ cookie: Cookie, endsRelative: Bool, at moment: CookieMoment) -> CookieOutcome {
        turn += 1
        var entry = Entry(cookie: cookie, created: turn, used: turn, endsRelative: endsRelative)
        var entries = domains[cookie.domain] ?? []
        if let old = entries.firstIndex(where: { cookie.replaces($0.cookie) }) {
            // Step 22: a new value does not change its place among the others.
            entry.created = entries[old].created
            entries.remove(at: old)
            count -= 1
        }
        let hasEnded = entry.hasEnded(moment)
        if !hasEnded {
            entries.append(entry)
            count += 1
            earliestEnd = min(earliestEnd, cookie.expires?.secondsSince1970 ?? .max)
        }
        keep(entries, of: cookie.domain)
        if !hasEnded { evict(cookie.domain, moment) }
        return hasEnded ? .removed : .stored
    }

    /// - Parameter entries: those of `domain` from now on.
    mutating func keep(_ entries: [Entry], of domain: String) {
        if entries.isEmpty {
            if domains.removeValue(forKey: domain) != nil { families.remove(domain) }
        } else if domains.updateValue(entries, forKey: domain) == nil {
            families.insert(domain)
            // Each request asks for domains that have no cookie, such as "example", and a dictionary that is nearly full has runs of dozens
            // of names, all of which such a question may be compared with.
            if domains.count > domains.capacity / 2 { domains.reserveCapacity(2 * domains.count) }
        }
    }

    /// Where the calendar's clock was set, what was to last so long from its setting still does.
    private mutating func follow(_ moment: CookieMoment) {
        guard let known = offset else {
            offset = moment.offset
            return
        }
        let jump = moment.offset - known
        guard abs(jump) > Self.tolerance else { return }
        offset = moment.offset
        earliestEnd = .min
        domains = domains.mapValues { entries in
            entries.map { entry in
                var entry = entry
                guard entry.endsRelative, let end = entry.cookie.expires?.secondsSince1970 else { return entry }
                entry.cookie.expires = HTTPTimestamp(secondsSince1970: end + jump)
                return entry
            }
        }
    }

    // MARK: Removing

    package mutating func removeAll() {
        domains = [:]
        families = CookieFamilies()
        count = 0
        earliestEnd = .max
        unused = []
    }

    package mutating func remove(where shallGo: (Cookie) -> Bool) { remove { shallGo($0.cookie) } }

    /// Removes the cookies of a domain and of those below it.
    package mutating func remove(domain: String) {
        remove { CookieRules.domain(domain, matches: $0.cookie.domain) }
    }

    mutating func remove(_ shallGo: (Entry) -> Bool) {
        for domain in Array(domains.keys) { remove(in: domain, shallGo) }
    }

    mutating func removed(_ number: Int) { count -= number }

    mutating func remove(in domain: String, _ shallGo: (Entry) -> Bool) {
        guard let entries = domains[domain] else { return }
        let kept = entries.filter { !shallGo($0) }
        guard kept.count < entries.count else { return }
        count -= entries.count - kept.count
        keep(kept, of: domain)
    }

    // MARK: Looking

    /// All that have not ended, oldest first.
    package mutating func cookies(at moment: CookieMoment) -> [Cookie] {
        follow(moment)
        remove { $0.hasEnded(moment) }
        return domains.values.joined().sorted { $0.created < $1.created }.map(\.cookie)
    }

    /// Those that go with a request, in the order of RFC 6265bis §5.8.3: longer paths first, older ones first.
    package mutating func cookies(for target: CookieTarget, at moment: CookieMoment) -> [Cookie] {
        follow(moment)
        var found: [Entry] = []
        for domain in Self.domains(of: target.host) {
            // Looked up once, and changed in its place.
            guard var place = domains.index(forKey: domain) else { continue }
            if domains.values[place].contains(where: { $0.hasEnded(moment) }) {
                remove(in: domain) { $0.hasEnded(moment) }
                guard let rest = domains.index(forKey: domain) else { continue }
                place = rest
            }
            Self.use(&domains.values[place], for: target, &turn, &found)
        }
        found.sort { left, right in
            let counts = (left.cookie.path.utf8.count, right.cookie.path.utf8.count)
            return counts.0 != counts.1 ? counts.0 > counts.1 : left.created < right.created
        }
        return found.map(\.cookie)
    }

    private static func use(
        _ entries: inout [Entry],
        for target: CookieTarget,
        _ turn: inout UInt64,
        _ found: inout [Entry]
    ) {
        for index in entries.indices where goes(entries[index].cookie, with: target) {
            turn += 1
            entries[index].used = turn
            found.append(entries[index])
        }
    }

    /// A host, and each domain that it is below.
    private static func domains(of host: String) -> [String] {
        var result = [host]
        guard !CookieRules.isAddress(host) else { return result }
        // By bytes: characters would be put together one by one, which took a third of a look into the jar.
        var rest = host.utf8[...]
        while let dot = rest.firstIndex(of: 0x2E) {
            rest = rest[rest.index(after: dot)...]
            if !rest.isEmpty { result.append(String(Substring(rest))) }
        }
        return result
    }

    private static func goes(_ cookie: Cookie, with target: CookieTarget) -> Bool {
        if cookie.isHostOnly, cookie.domain != target.host { return false }
        if cookie.isSecure, !target.isSecure { return false }
        return CookieRules.path(cookie.path, matches: target.path) && target.admits(cookie.sameSite)
    }
}

extension CookieStore.Entry {
    func hasEnded(_ moment: CookieMoment) -> Bool {
        cookie.expires.map { $0.secondsSince1970 < moment.wall } ?? false
    }
}
