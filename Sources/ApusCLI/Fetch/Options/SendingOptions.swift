import Apus
import ArgumentParser
import HTTPTypes

/// What is sent, as whom, and through whom.
struct SendingOptions: ParsableArguments {
    @Option(
        name: [.customShort("H"), .long],
        help: ArgumentHelp(
            "Send this field with every request, such as 'Accept: text/csv'. Authorization and Cookie go to one server only: see --auth-host.",
            valueName: "name: value"
        )
    )
    var header: [String] = []

    @Option(
        name: [.customShort("X"), .long],
        help: ArgumentHelp("The method; GET if not given, or POST with --data.", valueName: "method")
    )
    var method: String?

    @Option(
        name: [.customShort("d"), .long],
        help: ArgumentHelp("Send this body, or that of a file: @FILE.", valueName: "text")
    )
    var data: String?

    @Option(
        name: [.customShort("u"), .long],
        help: ArgumentHelp(
            "User and password (Basic), for one server only: see --auth-host.",
            valueName: "name:password"
        )
    )
    var user: String?

    @Option(
        help: ArgumentHelp(
            "The only server that gets --user, Authorization and Cookie: https://HOST[:PORT], or http://… ; that of the first URL if not given.",
            valueName: "origin"
        )
    )
    var authHost: String?

    @Option(
        help: ArgumentHelp(
            "Keep cookies, and load them from this file and save them there (curl's format, mode 0600). Without it there are none.",
            valueName: "file"
        ),
        completion: .file()
    )
    var cookieJar: String?

    @Option(
        help: ArgumentHelp(
            "Go through this proxy (http, https, socks5, socks5h), or none: 'direct'. If not given, http_proxy, https_proxy, all_proxy and no_proxy of the environment count.",
            valueName: "url"
        )
    )
    var proxy: String?

    @Option(
        help: ArgumentHelp("How many redirects to follow; the next one is an error. 0 returns them.", valueName: "n")
    )
    var maxRedirects = 10

    func validate() throws {
        guard (0...1_000).contains(maxRedirects) else {
            throw ValidationError("--max-redirects \(maxRedirects): a number of 0 to 1000 is needed.")
        }
        if let method, HTTPRequest.Method(rawValue: method) == nil {
            throw ValidationError("--method: “\(Format.harmless(method))” is no method.")
        }
        // RFC 9110 §9.3.6
        if method == "CONNECT" { throw ValidationError("--method: CONNECT makes a tunnel, and fetches nothing.") }
        if try headers()[.authorization] != nil, user != nil {
            throw ValidationError("--user and a header Authorization say twice who asks: name one of them.")
        }
        if let authHost, Self.origin(authHost) == nil {
            throw ValidationError(
                "--auth-host: a server is needed, such as https://api.example.com or http://127.0.0.1:8000."
            )
        }
        if data == "@" || data == "@-" { throw ValidationError("--data: a file's name is needed behind the @.") }
        if user?.isEmpty == true { throw ValidationError("--user: a name is needed.") }
        // Their texts may hold a password, so no message quotes them.
        if let proxy, proxy != "direct", (try? Proxy(proxy)) == nil {
            throw ValidationError("--proxy: a URL is needed, such as http://proxy.example:3128, or 'direct'.")
        }
    }

    /// - Throws: `ValidationError`, which quotes no value.
    func headers() throws -> HTTPFields {
        var fields = HTTPFields()
        for (number, text) in header.enumerated() {
            guard let colon = text.firstIndex(of: ":"), let name = HTTPField.Name(String(text[..<colon])) else {
                throw ValidationError("--header number \(number + 1) is no 'NAME: VALUE'.")
            }
            let value = String(text[text.index(after: colon)...].drop { $0 == " " || $0 == "\t" })
            guard HTTPField.isValidValue(value) else {
                throw ValidationError("--header \(name): the value has a line break or another control character.")
            }
            fields.append(HTTPField(name: name, value: value))
        }
        return fields
    }

    private static let secretNames: Set<String> = ["authorization", "cookie", "proxy-authorization"]

    /// Those that only one server may have.
    static func secret(_ fields: HTTPFields) -> HTTPFields {
        HTTPFields(fields.filter { secretNames.contains($0.name.canonicalName) })
    }

    /// The others.
    static func harmless(_ fields: HTTPFields) -> HTTPFields {
        HTTPFields(fields.filter { !secretNames.contains($0.name.canonicalName) })
    }

    /// Whether something is sent that only one server may have.
    var hasSecrets: Bool {
        user != nil || (try? !Self.secret(headers()).isEmpty) == true
    }

    /// The server of `--auth-host`.
    var authOrigin: Origin? { authHost.flatMap(Self.origin) }

    private static func origin(_ text: String) -> Origin? {
        let url = text.contains("://") ? text : "https://\(text)"
        guard let uri = try? URI(url), uri.scheme == "http" || uri.scheme == "https", !uri.hasUserinfo,
            uri.path.isEmpty || uri.path == "/", uri.query == nil
        else { return nil }
        return uri.origin
    }

    var authentication: Authentication? {
        guard let user else { return nil }
        guard let colon = user.firstIndex(of: ":") else { return .basic(user, "") }
        return .basic(String(user[..<colon]), String(user[user.index(after: colon)...]))
    }

    /// As with curl, a body is a form's unless a header says otherwise.
    var body: RequestBody? {
        guard let data else { return nil }
        let type = (try? headers())?[.contentType] ?? "application/x-www-form-urlencoded"
        if data.hasPrefix("@") { return .file(String(data.dropFirst()), contentType: type) }
        return .bytes(Array(data.utf8), contentType: type)
    }
}
