/// New URIs from this one: queries, paths and references.
extension URI {
    /// This URI with names and values added to its query, both percent-encoded; what is there stays (row C11).
    ///
    /// - Throws: `tooLong` past `maximumLength`.
    public func appendingQuery(_ items: [(String, String)]) throws(URIError) -> URI {
        guard !items.isEmpty else { return self }
        let added = items.map { "\(PercentEncoding.encode($0.0))=\(PercentEncoding.encode($0.1))" }
        return try appending(rawQuery: added.joined(separator: "&"))
    }

    /// This URI with a query added that is written already, such as `a=1&b=2`.
    ///
    /// What is percent-encoded stays so; only characters that may not stand in a query are encoded, `#` among them.
    ///
    /// - Throws: `tooLong` past `maximumLength`, `controlCharacter`.
    public func appending(rawQuery: String) throws(URIError) -> URI {
        guard !rawQuery.isEmpty else { return self }
        let (before, after) = aroundQueryEnd
        let joint = query.map { $0.isEmpty ? "" : "&" } ?? "?"
        return try URI(before + joint + Self.withoutDelimiters(rawQuery, [0x23]) + after)
    }

    /// This URI with a path added behind its own, with one `/` between the two: for base URLs.
    ///
    /// `https://example.com/v1` and `https://example.com/v1/` both give `https://example.com/v1/users` with `users` or
    /// `/users`. Query and fragment stay. What is percent-encoded stays so; `?` and `#` are encoded, as parts of the path.
    /// To follow references as a browser does, where `users` would replace `v1`, use ``resolve(_:)``.
    ///
    /// - Throws: `URIError.invalidPath` if the path has a segment `.` or `..`, encoded or not: what is joined to a base stays
    ///   below it. `tooLong` past `maximumLength`, `controlCharacter`.
    public func appending(path: String) throws(URIError) -> URI {
        guard !path.isEmpty else { return self }
        let added = Array(path.utf8)
        for segment in added.split(separator: 0x2F) where URIReference.dots(segment) > 0 {
            throw URIError(.invalidPath, "the path to be added has a segment \".\" or \"..\"; use resolve to follow it")
        }
        var rest = ArraySlice(added)
        while rest.first == 0x2F { rest = rest.dropFirst() }
        let own = self.path
        let joined = (own.utf8.last == 0x2F ? own : own + "/") + String(decoding: rest, as: UTF8.self)
        return try replacing(path: Self.withoutDelimiters(joined, [0x23, 0x3F]))
    }

    /// This URI with one more segment behind its path; whatever the text has, `/` and `%` too, becomes part of the segment.
    ///
    /// For names that come from elsewhere: `base.appending(segment: user)`.
    ///
    /// - Throws: `URIError.invalidPath` for an empty text, `.` and `..`, which no segment can be; `tooLong` past
    ///   `maximumLength`.
    public func appending(segment: String) throws(URIError) -> URI {
        guard !segment.isEmpty, segment != ".", segment != ".." else {
            throw URIError(.invalidPath, "an empty text, \".\" and \"..\" cannot be a segment of a path")
        }
        let own = path
        return try replacing(path: (own.utf8.last == 0x2F ? own : own + "/") + PercentEncoding.encode(segment))
    }

    /// The URI that a reference, such as a Location field's value, names relative to this one (RFC 3986 §5).
    ///
    /// - Throws: `URIError` if the result is no URI.
    public func resolve(_ reference: String) throws(URIError) -> URI {
        try URI(resolvedText(of: reference))
    }

    /// This URI without user name and password: what is sent on, logged and shown.
    public var withoutUserinfo: URI {
        guard hasUserinfo else { return self }
        // Taking something away from a URI gives a URI: a host is left, since the web schemes have one.
        return (try? URI(textWithoutUserinfo)) ?? self
    }

    /// This URI without its fragment, which is never sent (RFC 9110 §4.2.5).
    public var withoutFragment: URI {
        guard fragment != nil else { return self }
        return (try? URI(aroundQueryEnd.0)) ?? self
    }

    // The rest of the characters that may not stand there are encoded by parsing.
    private static func withoutDelimiters(_ text: String, _ delimiters: [UInt8]) -> String {
        guard text.utf8.contains(where: delimiters.contains) else { return text }
        var output: [UInt8] = []
        for byte in text.utf8 {
            if delimiters.contains(byte) {
                PercentEncoding.append(encoded: byte, to: &output)
            } else {
                output.append(byte)
            }
        }
        return String(decoding: output, as: UTF8.self)
    }
}
