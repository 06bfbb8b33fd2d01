import ApusWire

/// A jar's cookies as JSON.
struct CookieFile: Codable {
    static let currentVersion = 1
    /// Three thousand cookies of 4 KiB are 12 MiB, and base64 makes a third more.
    static let largest = 64 * 1024 * 1024

    var version = currentVersion
    var cookies: [Item]

    struct Item: Codable {
        var name: String
        var value: String?
        /// In the place of `value` where that is no UTF-8.
        var valueBytes: [UInt8]?
        var domain: String
        var hostOnly: Bool
        var path: String
        /// Seconds since 1970.
        var expires: Int?
        var secure: Bool
        var httpOnly: Bool
        var sameSite: String?
        var partitioned: Bool?
    }

    init(_ cookies: [Cookie]) {
        self.cookies = cookies.map { cookie in
            let text = String(validating: cookie.valueBytes, as: UTF8.self)
            return Item(
                name: cookie.name,
                value: text,
                valueBytes: text == nil ? cookie.valueBytes : nil,
                domain: cookie.domain,
                hostOnly: cookie.isHostOnly,
                path: cookie.path,
                expires: cookie.expires?.secondsSince1970,
                secure: cookie.isSecure,
                httpOnly: cookie.isHTTPOnly,
                sameSite: cookie.sameSite?.rawValue,
                partitioned: cookie.isPartitioned ? true : nil
            )
        }
    }

    /// The cookies; nil where one of them is none that a server can have set.
    var checked: [Cookie]? {
        var result: [Cookie] = []
        for item in cookies {
            let cookie = Cookie(
                name: item.name,
                valueBytes: item.valueBytes ?? Array((item.value ?? "").utf8),
                domain: item.domain,
                isHostOnly: item.hostOnly,
                path: item.path,
                expires: item.expires.map { HTTPTimestamp(secondsSince1970: $0) },
                isSecure: item.secure,
                isHTTPOnly: item.httpOnly,
                sameSite: item.sameSite.flatMap { Cookie.SameSite(rawValue: $0) },
                isPartitioned: item.partitioned ?? false
            )
            guard cookie.isAcceptable else { return nil }
            result.append(cookie)
        }
        return result
    }
}
