/// The cookie file of Netscape, curl and wget: one line per cookie, seven fields with tabs between them.
package enum NetscapeCookieFile {
    /// A line that is no cookie.
    package struct Problem: Error, Sendable {
        /// From 1 on.
        package var line: Int
        package var message: String
    }

    private static let httpOnly = "#HttpOnly_"

    /// - Throws: ``Problem`` for the first line that is neither a cookie nor a comment.
    package static func parse(_ text: [UInt8]) throws -> [Cookie] {
        var cookies: [Cookie] = []
        for (index, line) in text.split(separator: 0x0A, omittingEmptySubsequences: false).enumerated() {
            var line = line
            if line.last == 0x0D { line.removeLast() }
            let isHTTPOnly = line.starts(with: httpOnly.utf8)
            if isHTTPOnly { line = line.dropFirst(httpOnly.utf8.count) }
            if line.first == 0x23 || line.allSatisfy({ $0 == 0x20 || $0 == 0x09 }) { continue }
            let fields = line.split(separator: 0x09, maxSplits: 6, omittingEmptySubsequences: false)
            guard let cookie = cookie(fields, isHTTPOnly) else {
                throw Problem(line: index + 1, message: "it is not a cookie's seven fields with tabs between them")
            }
            cookies.append(cookie)
        }
        return cookies
    }

    private static func cookie(_ fields: [ArraySlice<UInt8>], _ isHTTPOnly: Bool) -> Cookie? {
        // curl leaves an empty value out, and its tab.
        guard fields.count == 6 || fields.count == 7 else { return nil }
        let texts = fields.map { CookieText.string($0) }
        guard let includesSubdomains = flag(texts[1]), let isSecure = flag(texts[3]), let end = Int(texts[4]) else {
            return nil
        }
        let domain = texts[0].lowercased()
        let cookie = Cookie(
            name: texts[5],
            valueBytes: fields.count == 7 ? Array(fields[6]) : [],
            domain: domain.utf8.first == 0x2E ? String(domain.dropFirst()) : domain,
            isHostOnly: !includesSubdomains,
            // curl keeps what a server said, with or without its slash, and sends such a cookie to every path.
            path: texts[2].utf8.first == 0x2F ? texts[2] : "/",
            expires: end == 0 ? nil : HTTPTimestamp(secondsSince1970: end),
            isSecure: isSecure,
            isHTTPOnly: isHTTPOnly,
            sameSite: nil,
            isPartitioned: false
        )
        return cookie.isAcceptable ? cookie : nil
    }

    private static func flag(_ text: String) -> Bool? {
        switch text.uppercased() {
        case "TRUE": true
        case "FALSE": false
        default: nil
        }
    }

    /// The file for these. The format has no place for SameSite and Partitioned, nor for cookies with a tab or without a name: those
    /// are left out.
    package static func text(_ cookies: [Cookie]) -> [UInt8] {
        var text = Array("# Netscape HTTP Cookie File\n\n".utf8)
        for cookie in cookies where !cookie.name.isEmpty && !cookie.valueBytes.contains(0x09) && !cookie.hasTab {
            let fields = [
                (cookie.isHTTPOnly ? httpOnly : "") + (cookie.isHostOnly ? "" : ".") + cookie.domain,
                cookie.isHostOnly ? "FALSE" : "TRUE", cookie.path, cookie.isSecure ? "TRUE" : "FALSE",
                // Zero is for those that last as long as the jar.
                cookie.expires.map { String(max(1, $0.secondsSince1970)) } ?? "0", cookie.name,
            ]
            text += fields.joined(separator: "\t").utf8
            text += [0x09] + cookie.valueBytes + [0x0A]
        }
        return text
    }
}

extension Cookie {
    fileprivate var hasTab: Bool { name.utf8.contains(0x09) || path.utf8.contains(0x09) }
}
