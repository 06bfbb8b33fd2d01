package import HTTPTypes

/// The request that cookies are for, or come from, as far as their rules ask.
package struct CookieTarget: Sendable {
    /// How the request stands to the site of the page that it is made for (RFC 6265bis §5.2).
    package enum Relation: Sendable, Hashable {
        /// Nobody has said: SameSite is not enforced.
        case unstated
        case sameSite
        /// For a page of another site; a link that leads there, by a safe method, is less strange than a part of the page.
        case crossSite(isNavigation: Bool, isSafe: Bool)
    }

    /// In lower case.
    package var host: String
    package var path: String
    package var isSecure: Bool
    package var relation: Relation

    package init(_ uri: URI, isSecure: Bool? = nil, relation: Relation = .unstated) {
        host = uri.host
        path = uri.path
        self.isSecure = isSecure ?? uri.isSecure
        self.relation = relation
    }

    /// RFC 9110 §9.2.1.
    package static func isSafe(_ method: HTTPRequest.Method) -> Bool {
        switch method {
        case .get, .head, .options, .trace: true
        default: false
        }
    }

    /// Whether both belong to one site: scheme and registrable domain are the same (RFC 6265bis §5.2).
    ///
    /// - Parameter registrableDomain: of a host; nil where that is not known, or the host is a public suffix itself: then it is a site of
    ///   its own.
    package static func isSameSite(_ one: URI, _ other: URI, registrableDomain: (String) -> String?) -> Bool {
        guard one.isSecure == other.isSecure else { return false }
        if one.host == other.host { return true }
        guard !CookieRules.isAddress(one.host), !CookieRules.isAddress(other.host) else { return false }
        guard let site = registrableDomain(one.host) else { return false }
        return site == registrableDomain(other.host)
    }

    /// RFC 6265bis §5.8.3 step 1: whether a cookie goes along, its site asked only.
    func admits(_ sameSite: Cookie.SameSite?) -> Bool {
        switch relation {
        case .unstated, .sameSite: true
        case .crossSite(let isNavigation, let isSafe):
            sameSite == .noRestriction || sameSite != .strict && isNavigation && isSafe
        }
    }

    /// RFC 6265bis §5.7 step 18: whether a cookie may come from there.
    func admitsSetting(_ sameSite: Cookie.SameSite?) -> Bool {
        switch relation {
        case .unstated, .sameSite: true
        case .crossSite(let isNavigation, _): sameSite == .noRestriction || isNavigation
        }
    }
}
