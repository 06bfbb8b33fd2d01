/// What became of a cookie that a server set.
package enum CookieOutcome: Sendable, Hashable {
    case stored
    /// It has ended already: what it would have replaced is gone.
    case removed
    case refused(Refusal)

    /// Why a cookie is not kept, by RFC 6265bis §5.7.
    package enum Refusal: String, Sendable, Hashable {
        case foreignDomain = "its Domain is not the host's"
        case publicSuffix = "its Domain is a public suffix"
        case domainNotASCII = "its Domain is not in ASCII"
        case insecure = "it is Secure, and came over an insecure connection"
        case shadowsSecure = "it came over an insecure connection, and would stand in for one that is Secure"
        case crossSite = "its SameSite does not go with a request for another site's page"
        case prefix = "its name promises by __Secure- or __Host- what is not so"
    }
}

/// What is known of public suffixes, such as `com` and `co.uk`, under which strangers have names.
package enum PublicSuffixAnswer: Sendable, Hashable {
    case isSuffix, isNone
    /// There is no list.
    case unknown
}
