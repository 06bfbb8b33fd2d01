public import HTTPTypes

/// A received request head. Strings are made when asked for; the facts were gathered while parsing.
public struct HTTP1RequestHead: Sendable {
    /// The fields as received.
    public let block: HTTP1FieldBlock
    let facts: HTTP1HeadFacts
    let methodStart: Int
    let methodCount: Int
    let targetStart: Int
    let targetCount: Int

    /// The method (RFC 9110 §9), case-sensitive.
    public var method: HTTPRequest.Method {
        // The usual ones without making and checking a string.
        let usual = block.withPart(methodStart, methodCount) { bytes -> HTTPRequest.Method? in
            guard let base = bytes.baseAddress else { return nil }
            switch bytes.count {
            case 3:
                if HTTP1StartLine.isMethod(base, 0, 3, "get") { return .get }
                if HTTP1StartLine.isMethod(base, 0, 3, "put") { return .put }
            case 4:
                if HTTP1StartLine.isMethod(base, 0, 4, "post") { return .post }
                if HTTP1StartLine.isMethod(base, 0, 4, "head") { return .head }
            default: break
            }
            return nil
        }
        if let usual { return usual }
        // A token is always a method; the default only spares a force-unwrap.
        return HTTPRequest.Method(block.text(methodStart, methodCount)) ?? .get
    }

    /// The request target as received (RFC 9112 §3.2): visible ASCII without `#`, in one of the four forms.
    public var target: String { block.asciiText(targetStart, targetCount) }

    /// The target's bytes.
    public var targetBytes: [UInt8] { block.withPart(targetStart, targetCount) { [UInt8]($0) } }

    /// Calls `body` with the target's bytes, in place.
    @inlinable
    public func withTarget<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        withExtendedLifetime(self) { body(targetInPlace) }
    }

    // Points into the block, which `withTarget` keeps alive.
    @usableFromInline
    var targetInPlace: UnsafeRawBufferPointer { block.withPart(targetStart, targetCount) { $0 } }

    /// The minor version: 0 for HTTP/1.0, 1 for HTTP/1.1.
    public var versionMinor: Int { Int(facts.versionMinor) }

    /// The host (and port, if given) the request is for: the target's if it is an absolute URI (RFC 9112 §3.2.2), else
    /// that of Host; nil for an HTTP/1.0 request with neither.
    public var host: String? {
        let authority = block.withBase { base -> Range<Int>? in
            if base[targetStart] == 0x2F { return nil }
            return HTTP1StartLine.absoluteAuthority(base, targetStart, targetStart + targetCount)
        }
        if let authority { return block.text(authority.lowerBound, authority.count) }
        return facts.flags.contains(.host) ? block.text(facts.hostStart, facts.hostCount) : nil
    }

    /// The fields as the currency type, made at each call.
    public var fields: HTTPFields { block.fields }

    /// The body's size if it was declared; nil for a chunked body, 0 if there is none.
    public var contentLength: Int? {
        if facts.flags.contains(.chunked) { return nil }
        return max(facts.contentLength, 0)
    }

    /// Whether the body is chunked.
    public var isChunked: Bool { facts.flags.contains(.chunked) }
    /// Whether the client is willing to keep the connection after this exchange (RFC 9112 §9.3).
    public var keepAlive: Bool { facts.keepAlive }
    /// Whether the client offers to change protocols (RFC 9110 §7.8); the names are in `Upgrade`.
    public var hasUpgrade: Bool { facts.wantsUpgrade }
    /// Whether the client waits for 100 (Continue) before it sends the body (RFC 9110 §10.1.1).
    public var expectsContinue: Bool { facts.expectsContinue }
}
