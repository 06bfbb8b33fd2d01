/// The value of a Cookie field: what a request states itself, and the jar's cookies as far as there is room.
package struct CookieHeader {
    /// With `Cookie: ` before it and the line end behind, the line has 8 KiB: common servers refuse longer ones, and with them every
    /// request to a host that has set too much.
    package static let maximumValue = 8 * 1024 - 10

    package private(set) var bytes: [UInt8] = []
    /// How many of the jar's cookies found no room.
    package private(set) var omitted = 0

    /// - Parameters:
    ///   - cookies: the jar's, in order.
    ///   - field: a Cookie field that the request has already, as text; its cookies replace the jar's of the same name.
    ///   - own: the request's cookies; they replace both, and always go.
    package init(_ cookies: [Cookie], field: String? = nil, own: [RequestCookie] = []) {
        var given: [(name: String, text: [UInt8])] = []
        for piece in (field ?? "").utf8.split(separator: 0x3B) {
            let text = CookieText.trimmed(Array(piece)[...])
            guard !text.isEmpty else { continue }
            let (name, value) = CookieText.pair(text)
            given.append((value == nil ? "" : CookieText.string(name), Array(text)))
        }
        let names = Set(own.map(\.name))
        given.removeAll { names.contains($0.name) }
        for cookie in own { given.append((cookie.name, Self.text(cookie.name, Array(cookie.value.utf8)))) }
        let replaced = Set(given.map(\.name))
        var room = Self.maximumValue - given.reduce(0) { $0 + $1.text.count + 2 }
        for cookie in cookies where !replaced.contains(cookie.name) {
            let text = Self.text(cookie.name, cookie.valueBytes)
            guard text.count + 2 <= room else {
                omitted += 1
                continue
            }
            room -= text.count + 2
            append(text)
        }
        for cookie in given { append(cookie.text) }
    }

    // RFC 6265bis §5.8.3 step 4.
    private static func text(_ name: String, _ value: [UInt8]) -> [UInt8] {
        name.isEmpty ? value : Array(name.utf8) + [0x3D] + value
    }

    private mutating func append(_ text: [UInt8]) {
        if !bytes.isEmpty { bytes += [0x3B, 0x20] }
        bytes += text
    }
}

/// A cookie that a request states itself.
package struct RequestCookie: Sendable, Hashable {
    package let name: String
    package let value: String

    /// - Returns: nil for what cannot stand in a Cookie field: control characters, `;`, a name with `=`, space around either.
    package init?(_ name: String, _ value: String) {
        guard CookieText.canBeSent(name: name, value: value.utf8) else { return nil }
        self.name = name
        self.value = value
    }
}
