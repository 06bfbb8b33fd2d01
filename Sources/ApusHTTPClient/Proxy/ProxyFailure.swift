import ApusNet
import ApusWire
import HTTPTypes

/// Why there is no connection through a proxy: becomes a ``ClientError`` of the request.
struct ProxyFailure: Error {
    var code: ClientError.Code
    var message: String
    var status: HTTPResponse.Status?
    var bodyPrefix: [UInt8] = []
    var cause: (any Error)?

    init(_ code: ClientError.Code, _ message: String, cause: (any Error)? = nil) {
        self.code = code
        self.message = message
        self.cause = cause
    }

    /// The proxy itself is not reached.
    init(reaching proxy: Proxy, _ error: any Error) {
        self.init(.proxyFailed, "The proxy \(proxy) cannot be reached: \(error)", cause: error)
    }

    /// What an HTTP proxy answered to CONNECT.
    init(_ head: HTTP1ResponseHead, bodyPrefix: [UInt8], from proxy: Proxy) {
        if head.statusCode == 407 {
            self.init(
                .proxyAuthenticationRequired,
                Self.wantsCredentials(proxy, head.block.values("proxy-authenticate"))
            )
        } else {
            self.init(.proxyRefused, "The proxy \(proxy) refused to connect to the server: status \(head.statusCode).")
        }
        status = head.status
        self.bodyPrefix = bodyPrefix
    }

    /// RFC 9110 §15.5.8.
    static func wantsCredentials(_ proxy: Proxy, _ challenges: [String]) -> String {
        let schemes = AuthenticationChallenge.parse(challenges).map(\.scheme)
        // Only what is known: the rest is the proxy's own text.
        let known = ["Basic", "Digest", "Bearer", "NTLM", "Negotiate"].filter { schemes.contains($0.lowercased()) }
        let wanted = known.isEmpty ? "" : ", as \(known.joined(separator: " or "))"
        if !known.isEmpty, known[0] != "Basic", proxy.headers[.proxyAuthorization] == nil {
            return
                "The proxy \(proxy) wants credentials (status 407)\(wanted), and a user name and password can be sent to it as Basic only. "
                + "What it takes may stand in the proxy's `headers`, as `Proxy-Authorization`."
        }
        guard proxy.fields[.proxyAuthorization] == nil else {
            return "The proxy \(proxy) does not accept the credentials that it was sent (status 407)."
        }
        return "The proxy \(proxy) wants a user name and password (status 407)\(wanted): put them into its URL."
    }

    init(_ error: SOCKS5Error, from proxy: Proxy) {
        let code: ClientError.Code =
            switch error.code {
            case .badDestination, .badCredentials: .invalidRequest
            case .authenticationRequired: .proxyAuthenticationRequired
            case .refused: .proxyRefused
            case .malformed: .proxyMalformed
            default: .proxyFailed
            }
        self.init(code, "Through the proxy \(proxy): \(error)", cause: error)
    }

    init(_ error: HTTP1Error, from proxy: Proxy) {
        switch error.code {
        case .closedBeforeResponse, .closedInHead:
            self.init(.proxyFailed, "The proxy \(proxy) closed the connection without answering.", cause: error)
        default:
            self.init(
                .proxyMalformed,
                "What the proxy \(proxy) answered is not acceptable HTTP/1.1: \(error.message)",
                cause: error
            )
        }
    }

    func clientError(_ exchange: Exchange) -> ClientError {
        var error = exchange.error(code, message, cause: cause)
        error.status = status
        error.bodyPrefix = bodyPrefix
        return error
    }
}
