/// What a head says about framing and about the connection, gathered while its lines are parsed.
struct HTTP1HeadFacts: Sendable {
    struct Flags: OptionSet, Sendable {
        let rawValue: UInt16
        static let chunked = Flags(rawValue: 1 << 0)
        static let connectionClose = Flags(rawValue: 1 << 1)
        static let connectionKeepAlive = Flags(rawValue: 1 << 2)
        static let connectionUpgrade = Flags(rawValue: 1 << 3)
        static let upgrade = Flags(rawValue: 1 << 4)
        static let expectContinue = Flags(rawValue: 1 << 5)
        static let host = Flags(rawValue: 1 << 6)
        static let contentEncoding = Flags(rawValue: 1 << 7)
        static let setCookie = Flags(rawValue: 1 << 8)
        static let keepAliveField = Flags(rawValue: 1 << 9)
    }

    var flags: Flags = []
    /// -1: no Content-Length.
    var contentLength = -1
    var hostStart = 0
    var hostCount = 0
    var versionMinor: UInt8 = 1

    // RFC 9112 §9.3: HTTP/1.1 connections persist unless "close" is given; HTTP/1.0 ones only if "keep-alive" is.
    var keepAlive: Bool {
        @inline(__always) get {
            if flags.contains(.connectionClose) { return false }
            return versionMinor == 1 || flags.contains(.connectionKeepAlive)
        }
    }

    // RFC 9110 §7.8: Upgrade counts only if Connection lists it, and is ignored in HTTP/1.0 requests.
    var wantsUpgrade: Bool {
        versionMinor == 1 && flags.contains(.upgrade) && flags.contains(.connectionUpgrade)
    }

    // RFC 9110 §10.1.1: an HTTP/1.0 request's expectation is ignored.
    var expectsContinue: Bool { versionMinor == 1 && flags.contains(.expectContinue) }

    /// Takes note of one field line. Other fields cost only a look at the length and the first letter of the name.
    @inline(__always)
    mutating func note(_ base: UnsafeRawPointer, _ slice: HTTP1FieldSlice) throws(HTTP1Error) {
        let first = base[Int(slice.nameStart)] | 0x20
        switch slice.nameCount {
        case 4: if first == 0x68 { try noteKnown(base, slice) }  // host
        case 6: if first == 0x65 { try noteKnown(base, slice) }  // expect
        case 7: if first == 0x75 { try noteKnown(base, slice) }  // upgrade
        // connection, keep-alive, set-cookie
        case 10: if first == 0x63 || first == 0x6B || first == 0x73 { try noteKnown(base, slice) }
        case 14: if first == 0x63 { try noteKnown(base, slice) }  // content-length
        case 16: if first == 0x63 { try noteKnown(base, slice) }  // content-encoding
        case 17: if first == 0x74 { try noteKnown(base, slice) }  // transfer-encoding
        default: break
        }
    }

    @inline(never)
    private mutating func noteKnown(_ base: UnsafeRawPointer, _ slice: HTTP1FieldSlice) throws(HTTP1Error) {
        let name = Int(slice.nameStart)
        let count = Int(slice.nameCount)
        switch count {
        case 4: if HTTP1Grammar.matches(base, name, count, "host") { try noteHost(base, slice) }
        case 6: if HTTP1Grammar.matches(base, name, count, "expect") { noteExpect(base, slice) }
        case 7: if HTTP1Grammar.matches(base, name, count, "upgrade") { flags.insert(.upgrade) }
        case 10:
            if HTTP1Grammar.matches(base, name, count, "connection") {
                noteConnection(base, slice)
            } else if HTTP1Grammar.matches(base, name, count, "set-cookie") {
                flags.insert(.setCookie)
            } else if HTTP1Grammar.matches(base, name, count, "keep-alive") {
                flags.insert(.keepAliveField)
            }
        case 14: if HTTP1Grammar.matches(base, name, count, "content-length") { try noteLength(base, slice) }
        case 16: if HTTP1Grammar.matches(base, name, count, "content-encoding") { flags.insert(.contentEncoding) }
        case 17: if HTTP1Grammar.matches(base, name, count, "transfer-encoding") { try noteCoding(base, slice) }
        default: break
        }
    }

    // RFC 9112 §3.2: a server must answer 400 to a request with more than one Host or an invalid one.
    private mutating func noteHost(_ base: UnsafeRawPointer, _ slice: HTTP1FieldSlice) throws(HTTP1Error) {
        guard !flags.contains(.host) else {
            throw HTTP1Error(.invalidHost, "Host is given twice; send it once (RFC 9112 §3.2)")
        }
        let start = Int(slice.valueStart)
        let count = Int(slice.valueCount)
        guard HTTP1Grammar.isHost(base, start, start &+ count) else {
            throw HTTP1Error(.invalidHost, "the value of Host is not a host with an optional port (RFC 9112 §3.2)")
        }
        flags.insert(.host)
        hostStart = start
        hostCount = count
    }

    // RFC 9110 §10.1.1: the only expectation defined is "100-continue", without regard to case.
    private mutating func noteExpect(_ base: UnsafeRawPointer, _ slice: HTTP1FieldSlice) {
        if HTTP1Grammar.matches(base, Int(slice.valueStart), Int(slice.valueCount), "100-continue") {
            flags.insert(.expectContinue)
        }
    }

    // RFC 9110 §7.6.1: Connection = #connection-option; §5.6.1: empty list elements are ignored.
    private mutating func noteConnection(_ base: UnsafeRawPointer, _ slice: HTTP1FieldSlice) {
        var index = Int(slice.valueStart)
        let end = index &+ Int(slice.valueCount)
        // A single option is the rule.
        if HTTP1Grammar.matches(base, index, end &- index, "keep-alive") {
            flags.insert(.connectionKeepAlive)
            return
        }
        while index < end {
            var stop = index
            while stop < end, base[stop] != 0x2C { stop &+= 1 }
            let start = HTTP1Grammar.skipSpace(base, index, stop)
            let count = HTTP1Grammar.trimSpace(base, start, stop) &- start
            switch count {
            case 5: if HTTP1Grammar.matches(base, start, count, "close") { flags.insert(.connectionClose) }
            case 7: if HTTP1Grammar.matches(base, start, count, "upgrade") { flags.insert(.connectionUpgrade) }
            case 10: if HTTP1Grammar.matches(base, start, count, "keep-alive") { flags.insert(.connectionKeepAlive) }
            default: break
            }
            index = stop &+ 1
        }
    }

    // RFC 9112 §6.3 rule 5: an invalid Content-Length is unrecoverable. The rule would let a list of equal values
    // pass; two parties may still read "5, 5" differently, and no honest sender writes it.
    private mutating func noteLength(_ base: UnsafeRawPointer, _ slice: HTTP1FieldSlice) throws(HTTP1Error) {
        guard contentLength < 0 else {
            throw HTTP1Error(.invalidContentLength, "Content-Length is given twice; send it once (RFC 9112 §6.3)")
        }
        let start = Int(slice.valueStart)
        contentLength = HTTP1Grammar.decimal(base, start, start &+ Int(slice.valueCount))
        guard contentLength >= 0 else {
            throw HTTP1Error(
                .invalidContentLength,
                "the value of Content-Length is not one decimal number below 2^63 (RFC 9110 §8.6)"
            )
        }
    }

    // RFC 9112 §6.1: chunked must be the final coding, and applied once. Other codings are not implemented: 501.
    private mutating func noteCoding(_ base: UnsafeRawPointer, _ slice: HTTP1FieldSlice) throws(HTTP1Error) {
        guard !flags.contains(.chunked) else {
            throw HTTP1Error(.conflictingFraming, "Transfer-Encoding is given twice; send it once (RFC 9112 §6.1)")
        }
        guard HTTP1Grammar.matches(base, Int(slice.valueStart), Int(slice.valueCount), "chunked") else {
            throw HTTP1Error(
                .unsupportedTransferEncoding,
                "the value of Transfer-Encoding is not \"chunked\", the only coding that is understood (RFC 9112 §6.1)"
            )
        }
        flags.insert(.chunked)
    }

    // RFC 9112 §6.1, §6.3 rule 3: both fields in one message are an attempt at request smuggling or response
    // splitting; Transfer-Encoding in HTTP/1.0 is faulty framing.
    @inline(__always)
    func checkFraming() throws(HTTP1Error) {
        guard flags.contains(.chunked) else { return }
        guard contentLength < 0 else {
            throw HTTP1Error(
                .conflictingFraming,
                "both Content-Length and Transfer-Encoding are given; send one of them (RFC 9112 §6.1)"
            )
        }
        guard versionMinor == 1 else {
            throw HTTP1Error(
                .conflictingFraming,
                "Transfer-Encoding is given in an HTTP/1.0 message, which has none (RFC 9112 §6.1)"
            )
        }
    }
}
