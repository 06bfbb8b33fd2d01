/// What the environment variables say about proxies, by scheme: texts, not yet understood.
///
/// The names are in lower case first, then in upper case: `http_proxy`, `https_proxy`, `all_proxy` for both, `no_proxy` for exceptions. The first that
/// is set counts, even if it is empty, which means none. In upper case `HTTP_PROXY` is not looked at where `REQUEST_METHOD` is set: a CGI
/// program's environment has the request's field `Proxy` under that name (CVE-2016-5385, “httpoxy”).
package struct ProxyEnvironment: Sendable, Hashable, CustomReflectable {
    /// A proxy's URL, and the variable that it comes from.
    package struct Setting: Sendable, Hashable {
        package var variable: String
        package var text: String
    }

    // Settings may have a password.
    package var customMirror: Mirror { Mirror(self, children: [:]) }

    private let http: Setting?
    private let https: Setting?
    private let all: Setting?
    private let exceptions: ProxyExceptions

    /// - Parameter value: a variable's value; nil if it is not set.
    package init(_ value: (_ variable: String) -> String?) {
        let isCGI = value("REQUEST_METHOD") != nil
        func first(_ names: String...) -> Setting? {
            for name in names {
                guard let text = value(name) else { continue }
                let trimmed = text.drop { $0.isWhitespace }
                return trimmed.isEmpty ? nil : Setting(variable: name, text: String(trimmed))
            }
            return nil
        }
        http = isCGI ? first("http_proxy") : first("http_proxy", "HTTP_PROXY")
        https = first("https_proxy", "HTTPS_PROXY")
        all = first("all_proxy", "ALL_PROXY")
        exceptions = ProxyExceptions(first("no_proxy", "NO_PROXY")?.text ?? "")
    }

    /// The proxy for requests to an origin; nil for none.
    package func setting(scheme: String, host: String, port: Int) -> Setting? {
        let setting: Setting?
        switch scheme {
        case "http", "ws": setting = http ?? all
        case "https", "wss": setting = https ?? all
        default: return nil
        }
        return exceptions.contains(host: host, port: port) ? nil : setting
    }
}
