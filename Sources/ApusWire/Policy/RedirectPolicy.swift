public import HTTPTypes

/// Which redirects are followed, and what becomes of the request on the way (RFC 9110 §15.4).
public struct RedirectPolicy: Sendable, Hashable {
    /// How many redirects are followed; the next one is an error. 0 follows none, and returns the redirect itself.
    public var limit: Int
    /// Whether a redirect may lead from https to http.
    public var allowsInsecure: Bool

    /// Follows up to `limit` redirects.
    public static func follow(upTo limit: Int = 10, allowsInsecure: Bool = false) -> RedirectPolicy {
        RedirectPolicy(limit: max(0, limit), allowsInsecure: allowsInsecure)
    }

    /// Returns redirects like any other response.
    ///
    /// Not called `none`: where an optional policy is expected, `.none` would mean "no policy given", and redirects would be followed.
    public static let never = RedirectPolicy(limit: 0, allowsInsecure: false)
}

/// One redirect's consequences, as a value: the next request, or why there is none.
public struct RedirectStep: Sendable {
    /// Where to go.
    public var uri: URI
    /// With which method.
    public var method: HTTPRequest.Method
    /// Whether the request's body, and the fields that describe it, go along.
    public var keepsBody: Bool
    /// Whether the next request goes to another origin, where no secret of this one may go.
    public var changesOrigin: Bool

    /// Whether a status is a redirect that is followed if it has a Location.
    public static func isRedirect(_ status: Int) -> Bool {
        switch status {
        case 301, 302, 303, 307, 308: true
        default: false
        }
    }

    /// Works out what a redirect leads to.
    ///
    /// - Parameters:
    ///   - status: 301, 302, 303, 307 or 308.
    ///   - location: the Location field's value.
    /// - Throws: ``URIError`` if Location is no valid reference, ``RedirectError`` if it must not be followed.
    public init(
        status: Int,
        location: String,
        from current: URI,
        method: HTTPRequest.Method,
        policy: RedirectPolicy
    ) throws {
        let target = try current.resolve(location)
        // Never `file`, `http+unix` or anything else that a server could point into this machine with.
        guard target.scheme == "http" || target.scheme == "https" else {
            throw RedirectError(reason: .scheme, from: current.redacted, to: target.redacted)
        }
        if current.scheme == "https", target.scheme == "http", !policy.allowsInsecure {
            throw RedirectError(reason: .insecure, from: current.redacted, to: target.redacted)
        }
        uri = target
        changesOrigin = target.origin != current.origin
        // RFC 9110 §15.4.4: 303 leads to GET. §15.4.2 and §15.4.3 note that 301 and 302 do so for POST in practice, as the
        // fetch standard and every client do. §15.4.8 and §15.4.9: 307 and 308 keep everything.
        if status == 303 && method != .head || (status == 301 || status == 302) && method == .post {
            self.method = .get
            keepsBody = false
        } else {
            self.method = method
            keepsBody = true
        }
    }

    /// Fields that describe a body, and go when it goes (fetch standard, HTTP-redirect fetch, step 12).
    public static let bodyFields: [HTTPField.Name] = [
        .contentType, .contentLength, .contentEncoding, .contentLanguage, .contentLocation,
    ]

    /// Fields that are secrets of one origin.
    public static let secretFields: [HTTPField.Name] = [.authorization, .proxyAuthorization, .cookie]
}

/// Why a redirect is not followed.
public struct RedirectError: Error, Sendable, CustomStringConvertible {
    enum Reason: Sendable { case scheme, insecure }

    let reason: Reason
    let from: String
    let to: String

    public var description: String {
        switch reason {
        case .scheme: "\(from) redirects to \(to), which is not http or https."
        case .insecure:
            "\(from) redirects to \(to), which gives up encryption. Allow it with `.follow(allowsInsecure: true)`."
        }
    }
}
