/// An absolute URI (RFC 3986), normalised: what a request is made from.
///
/// Scheme and host are in lower case, characters that may not stand where they do are percent-encoded as UTF-8, `%XX`
/// is in upper case and otherwise kept, and the path behind an authority is at least `/`. An IPv6
/// address is in the form of RFC 5952. It is one string with
/// offsets into it; a text that is normalised already is stored as it is.
public struct URI: Sendable, Hashable, CustomStringConvertible {
    /// The longest text that is parsed, in bytes.
    public static let maximumLength = 64 * 1024

    @usableFromInline let text: String
    @usableFromInline let parts: URIParts

    /// Parses an absolute URI.
    ///
    /// Any scheme is parsed; http, https, ws and wss need a host, which must be a DNS name, an IPv4 address of four
    /// decimal numbers or an IPv6 address in brackets. A name with letters outside of ASCII is stored in its ASCII form:
    /// `bücher.example` as `xn--bcher-kva.example`. <doc:URIRules> tells where this differs from browsers and from curl.
    ///
    /// - Throws: `URIError`, whose messages contain neither userinfo nor query.
    public init(_ string: String) throws(URIError) {
        var string = string
        // The closure returns its error: `withUTF8` takes untyped throws only.
        let result = string.withUTF8 { buffer -> Result<(URIParts, String?), URIError> in
            let bytes = UnsafeRawBufferPointer(buffer)
            do throws(URIError) {
                let parser = try URIParser(bytes)
                return .success((parser.parts, parser.isClean ? nil : parser.normalised(bytes)))
            } catch {
                return .failure(error)
            }
        }
        let found: URIParts
        let normalised: String?
        do throws(URIError) {
            (found, normalised) = try result.get()
        } catch {
            guard error.code == .needsASCIIHost else { throw error }
            self = try URI(InternationalHost.mapped(string))
            return
        }
        guard var normalised = normalised else {
            text = string
            parts = found
            return
        }
        // Parsing again is the simplest way to the new offsets; what was normalised stays as it is.
        let again = normalised.withUTF8 { buffer -> Result<URIParts, URIError> in
            do throws(URIError) {
                return .success(try URIParser(UnsafeRawBufferPointer(buffer)).parts)
            } catch {
                return .failure(error)
            }
        }
        parts = try again.get()
        text = normalised
    }

    // MARK: - Parts

    /// The scheme, in lower case.
    public var scheme: String { slice(0, Int(parts.schemeEnd)) }

    /// Whether the scheme is https or wss.
    public var isSecure: Bool { scheme == "https" || scheme == "wss" }

    /// The user name of the userinfo, decoded; nil without userinfo.
    public var user: String? {
        guard parts.hasUserinfo else { return nil }
        return PercentEncoding.decode(String(userinfo.prefix { $0 != ":" }))
    }

    /// The password of the userinfo, decoded; nil if there is none.
    public var password: String? {
        guard parts.hasUserinfo, let colon = userinfo.firstIndex(of: ":") else { return nil }
        let text = userinfo
        return PercentEncoding.decode(String(text[text.index(after: colon)...]))
    }

    private var userinfo: String { slice(Int(parts.userinfoStart), Int(parts.userinfoEnd)) }

    /// Whether there is a user name or password in the URI.
    public var hasUserinfo: Bool { parts.hasUserinfo }

    /// The host, in lower case, an IPv6 address without its brackets; empty if the URI has none.
    public var host: String { slice(Int(parts.hostStart), Int(parts.hostEnd)) }

    /// Whether the host is an IPv6 address, which stands in brackets in the URI and in Host.
    public var isIPv6Literal: Bool { parts.isIPv6 }

    /// The port, if one is given.
    public var port: Int? { parts.port == 0 ? nil : Int(parts.port) }

    /// The port, or the one the scheme stands for.
    public var effectivePort: Int? { port ?? Origin.defaultPort(of: scheme) }

    /// The path, percent-encoded.
    public var path: String { slice(Int(parts.pathStart), Int(parts.pathEnd)) }

    /// The query, percent-encoded and without its `?`; nil if there is none.
    public var query: String? { parts.hasQuery ? slice(Int(parts.pathEnd) + 1, Int(parts.queryEnd)) : nil }

    /// The fragment, percent-encoded and without its `#`; nil if there is none. It is never sent.
    public var fragment: String? { parts.hasFragment ? slice(Int(parts.queryEnd) + 1, text.utf8.count) : nil }

    // MARK: - For requests

    /// Whether both name the same server in the same words: scheme, host and port as written, and no userinfo.
    ///
    /// False also where only one writes the default port; `origin` tells. For callers that would otherwise make and hash
    /// strings for each request: it compares bytes in place.
    @inlinable
    public func hasSameServer(as other: URI) -> Bool {
        // Inlined, since a value of this size is copied for each call of one of its functions in another module.
        guard parts.hostEnd == other.parts.hostEnd, parts.hostStart == other.parts.hostStart,
            parts.port == other.parts.port, !parts.hasUserinfo, !other.parts.hasUserinfo
        else { return false }
        return Self.beginAlike(text, other.text, Int(parts.hostEnd))
    }

    @usableFromInline
    static func beginAlike(_ left: String, _ right: String, _ count: Int) -> Bool {
        withBytes(left) { mine in
            withBytes(right) { theirs in
                guard let mine = mine.baseAddress, let theirs = theirs.baseAddress else { return false }
                guard count >= 8 else { return (0..<count).allSatisfy { mine[$0] == theirs[$0] } }
                // Words, the last one overlapping.
                var index = 0
                while true {
                    let left = mine.loadUnaligned(fromByteOffset: index, as: UInt64.self)
                    if left != theirs.loadUnaligned(fromByteOffset: index, as: UInt64.self) { return false }
                    if index == count &- 8 { return true }
                    index = min(index &+ 8, count &- 8)
                }
            }
        }
    }

    /// Path and query as a request target in origin-form (RFC 9112 §3.2.1).
    public var target: [UInt8] { Self.withBytes(text) { [UInt8]($0[targetRange]) } }

    /// Where path and query lie: visible ASCII without `#`, since that is what a URI consists of here.
    @usableFromInline var targetRange: Range<Int> {
        @inlinable get { Int(parts.pathStart)..<Int(parts.queryEnd) }
    }

    /// The request target for a proxy, in absolute-form (RFC 9112 §3.2.2): without userinfo and fragment.
    package var absoluteTarget: [UInt8] { Array("\(scheme)://\(hostHeader)".utf8) + target }

    /// The value of Host (RFC 9110 §7.2): an IPv6 address in brackets, the port unless it is the scheme's own.
    ///
    /// For `http+unix`, whose host is a path, it is `localhost`: what curl says to a server behind a Unix socket, too.
    public var hostHeader: String {
        if scheme == Self.unixScheme { return "localhost" }
        let literal = parts.isIPv6 ? "[\(host)]" : host
        guard let port, port != Origin.defaultPort(of: scheme) else { return literal }
        return "\(literal):\(port)"
    }

    /// The scheme of HTTP over a Unix socket, whose path is the percent-encoded host: `http+unix://%2Frun%2Fserver.sock/path`.
    package static let unixScheme = "http+unix"

    /// The path of the socket that an `http+unix` URI names; nil for other schemes, and for a host that is no path.
    package var unixSocketPath: String? {
        guard scheme == Self.unixScheme, port == nil, !parts.isIPv6, !host.isEmpty else { return nil }
        return PercentEncoding.decode(host)
    }

    /// Scheme, host and effective port.
    public var origin: Origin { Origin(scheme: scheme, host: host, port: effectivePort ?? 0) }

    /// The full text, userinfo and query included. For logs use `redacted`.
    public var description: String { text }

    /// `scheme://host:port/path?…`: without userinfo, query and fragment, fit for logs and errors.
    ///
    /// Without a host it is `scheme:…`: the rest may be anything, as in `user:password@example.com/`, where somebody forgot
    /// `http://`.
    public var redacted: String {
        guard parts.hostStart < parts.hostEnd else { return "\(scheme):…" }
        let authority = parts.isIPv6 ? "[\(host)]" : host
        let port = port.map { ":\($0)" } ?? ""
        return "\(scheme)://\(authority)\(port)\(path)\(parts.hasQuery ? "?…" : "")"
    }

    // MARK: - For building

    /// The text up to the end of the query, and the rest: the fragment with its `#`.
    var aroundQueryEnd: (String, String) {
        (slice(0, Int(parts.queryEnd)), slice(Int(parts.queryEnd), text.utf8.count))
    }

    /// This URI with another path, whose first byte is `/`.
    func replacing(path: String) throws(URIError) -> URI {
        try URI(slice(0, Int(parts.pathStart)) + path + slice(Int(parts.pathEnd), text.utf8.count))
    }

    func resolvedText(of reference: String) -> String { URIReference.resolve(reference, against: text, parts) }

    var textWithoutUserinfo: String {
        slice(0, Int(parts.userinfoStart)) + slice(Int(parts.userinfoEnd) + 1, text.utf8.count)
    }

    // MARK: - Text

    @inline(__always)
    static func withBytes<Value>(_ text: String, _ body: (UnsafeRawBufferPointer) -> Value) -> Value {
        if let value = text.utf8.withContiguousStorageIfAvailable({ body(UnsafeRawBufferPointer($0)) }) { return value }
        // A string that came from elsewhere, such as by way of NSString.
        var copy = text
        return copy.withUTF8 { body(UnsafeRawBufferPointer($0)) }
    }

    private func slice(_ start: Int, _ end: Int) -> String {
        Self.withBytes(text) { String(decoding: UnsafeRawBufferPointer(rebasing: $0[start..<end]), as: UTF8.self) }
    }

    public static func == (left: URI, right: URI) -> Bool { left.text == right.text }

    public func hash(into hasher: inout Hasher) { hasher.combine(text) }
}
