import HTTPTypes

/// Writes field lines, and notes those that concern framing and the connection.
struct HTTP1HeadWriter {
    var flags: HTTP1HeadFacts.Flags = []
    private var contentLength = -1
    private var names = 0

    init() {}

    var hasHost: Bool { flags.contains(.host) }

    // RFC 9112 §4: status-line = HTTP-version SP status-code SP [ reason-phrase ].
    mutating func appendStatusLine(_ status: HTTPResponse.Status, to output: inout HTTP1Buffer) throws(HTTP1Error) {
        if status.code == 200, status.reasonPhrase == "OK" {
            output.append("HTTP/1.1 200 OK\r\n")
            return
        }
        output.append("HTTP/1.1 ")
        output.append(decimal: status.code)
        output.append(" ")
        var reason = status.reasonPhrase
        let isValid = reason.withUTF8 { Self.isValue(UnsafeRawBufferPointer($0)) }
        guard isValid else {
            throw HTTP1Error(.invalidReason, "the reason phrase holds a control character (RFC 9112 §4)")
        }
        output.append(reason)
        output.appendLineEnd()
    }

    /// Appends each field as a line.
    mutating func append(_ fields: HTTPFields, to output: inout HTTP1Buffer) throws(HTTP1Error) {
        for field in fields {
            let start = output.count
            var name = field.name.rawName
            let nameCount = name.utf8.count
            // The type has checked the name; a colon or a line end in one would be an injection, so it is not trusted.
            let isToken = name.withUTF8 { bytes -> Bool in
                guard let base = bytes.baseAddress, nameCount > 0 else { return false }
                return HTTP1Grammar.endOfToken(UnsafeRawPointer(base), 0, nameCount) == nameCount
            }
            guard isToken else {
                throw HTTP1Error(.invalidField, "a field name is not a token (RFC 9110 §5.1)")
            }
            output.append(name)
            output.append(": ")
            let valueStart = output.count
            field.withUnsafeBytesOfValue { output.append(UnsafeRawBufferPointer($0)) }
            // RFC 9110 §5.5: CR, LF and NUL in a value are dangerous; the other controls are invalid.
            guard let base = output.bytes.baseAddress,
                HTTP1Grammar.firstControl(base, valueStart, output.count) == output.count
            else {
                throw HTTP1Error(.invalidField, "the value of \(name) holds a control character (RFC 9110 §5.5)")
            }
            let slice = HTTP1FieldSlice(
                nameStart: UInt32(truncatingIfNeeded: start),
                nameCount: UInt32(truncatingIfNeeded: nameCount),
                valueStart: UInt32(truncatingIfNeeded: valueStart),
                valueCount: UInt32(truncatingIfNeeded: output.count - valueStart)
            )
            try note(base, slice, name)
            output.appendLineEnd()
        }
    }

    private mutating func note(
        _ base: UnsafeRawPointer,
        _ slice: HTTP1FieldSlice,
        _ name: String
    ) throws(HTTP1Error) {
        var facts = HTTP1HeadFacts()
        facts.flags = flags
        facts.contentLength = contentLength
        do throws(HTTP1Error) {
            try facts.note(base, slice)
        } catch {
            // The same rules as for received fields; only the fault is ours.
            throw HTTP1Error(
                error.code == .invalidHost ? .invalidField : .framingFieldMismatch,
                "the field \(name) cannot be sent: \(error.message)"
            )
        }
        flags = facts.flags
        contentLength = facts.contentLength
    }

    // RFC 9112 §6: what the head says about the body must be what follows. RFC 9110 §8.6: Content-Length.
    mutating func appendFraming(
        _ body: HTTP1BodyLength,
        impliesLength: Bool,
        to output: inout HTTP1Buffer
    ) throws(HTTP1Error) {
        let isChunked = flags.contains(.chunked)
        switch body {
        case .none:
            guard !isChunked, contentLength <= 0 else { throw Self.mismatch("no body is sent") }
            if impliesLength, contentLength < 0 { output.append("Content-Length: 0\r\n") }
        case .length(let length):
            guard length >= 0 else { throw Self.mismatch("the body's length is negative") }
            guard !isChunked, contentLength < 0 || contentLength == length else {
                throw Self.mismatch("the body has \(length) bytes")
            }
            if contentLength < 0 {
                output.append("Content-Length: ")
                output.append(decimal: length)
                output.appendLineEnd()
            }
        case .chunked:
            guard contentLength < 0 else { throw Self.mismatch("the body is chunked") }
            if !isChunked { output.append("Transfer-Encoding: chunked\r\n") }
        case .untilClose:
            guard contentLength < 0, !isChunked else { throw Self.mismatch("the body ends with the connection") }
        }
    }

    /// For messages that must not have either field.
    func refuseFraming(_ status: Int) throws(HTTP1Error) {
        if flags.contains(.chunked) || contentLength >= 0 {
            throw HTTP1Error(
                .framingFieldMismatch,
                "Content-Length or Transfer-Encoding in a response with status \(status); leave it out (RFC 9110 §8.6)"
            )
        }
    }

    // RFC 9110 §6.5.1.
    func refuseTrailers() throws(HTTP1Error) {
        let hasConnection = !flags.isDisjoint(with: [.connectionClose, .connectionKeepAlive, .connectionUpgrade])
        if flags.contains(.chunked) || contentLength >= 0 || flags.contains(.host) || hasConnection {
            throw HTTP1Error(.invalidField, "fields for framing, routing or the connection are no trailers")
        }
    }

    private static func mismatch(_ fact: String) -> HTTP1Error {
        HTTP1Error(
            .framingFieldMismatch,
            "the given Content-Length or Transfer-Encoding contradicts that \(fact); leave it out, it is added"
        )
    }

    private static func isValue(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard let base = bytes.baseAddress else { return true }
        return HTTP1Grammar.firstControl(base, 0, bytes.count) == bytes.count
    }
}
