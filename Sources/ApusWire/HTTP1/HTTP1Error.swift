// The error tree of HTTP/1.
//
// HTTP1Error
// ├─ the peer's fault (isPeerFault)
// │  ├─ not HTTP/1 at all      notHTTP, tlsOnPlainPort, http2OnHTTP1Port, unsupportedVersion
// │  ├─ malformed              malformedStartLine, malformedField, malformedLineEnding, invalidHost
// │  ├─ framing                invalidContentLength, conflictingFraming, unsupportedTransferEncoding, malformedChunk
// │  ├─ too large              startLineTooLong, fieldLineTooLong, headTooLarge, tooManyFields, chunkLineTooLong,
// │  │                         trailersTooLarge, tooManyInterimResponses
// │  ├─ out of turn            unsolicitedResponse, unexpectedUpgrade
// │  └─ unexpected EOF         closedBeforeResponse, closedInHead, closedInBody        (code.isUnexpectedEOF)
// └─ this side's fault
//    ├─ out of turn            wrongState
//    └─ cannot be sent         invalidField, invalidTarget, invalidReason, framingFieldMismatch, bodyNotAllowed,
//                              bodyTooLong, bodyTooShort

/// What went wrong on an HTTP/1 connection, whose fault it is, and what a server should answer.
///
/// Messages name fields, limits and positions. They never contain a field's value.
public struct HTTP1Error: Error, Sendable, Hashable, CustomStringConvertible {
    /// What kind of error it is. More may be added: keep a default case when switching over them.
    public struct Code: Sendable, Hashable, CustomStringConvertible {
        private enum Raw: UInt8 {
            case notHTTP, tlsOnPlainPort, http2OnHTTP1Port, unsupportedVersion
            case malformedStartLine, malformedField, malformedLineEnding, invalidHost
            case invalidContentLength, conflictingFraming, unsupportedTransferEncoding, malformedChunk
            case startLineTooLong, fieldLineTooLong, headTooLarge, tooManyFields, chunkLineTooLong
            case trailersTooLarge, tooManyInterimResponses
            case unsolicitedResponse, unexpectedUpgrade
            case closedBeforeResponse, closedInHead, closedInBody
            // From here on: this side's fault.
            case wrongState
            case invalidField, invalidTarget, invalidReason, framingFieldMismatch, bodyNotAllowed
            case bodyTooLong, bodyTooShort
        }

        private let raw: Raw
        private init(_ raw: Raw) { self.raw = raw }

        /// The bytes are neither HTTP/1 nor another protocol that is recognised.
        public static var notHTTP: Self { Self(.notHTTP) }
        /// A TLS record arrived where plain HTTP is spoken.
        public static var tlsOnPlainPort: Self { Self(.tlsOnPlainPort) }
        /// The HTTP/2 connection preface arrived.
        public static var http2OnHTTP1Port: Self { Self(.http2OnHTTP1Port) }
        /// A version other than HTTP/1.0 and HTTP/1.1.
        public static var unsupportedVersion: Self { Self(.unsupportedVersion) }
        /// The request line or status line does not follow RFC 9112 §3 and §4.
        public static var malformedStartLine: Self { Self(.malformedStartLine) }
        /// A field line does not follow RFC 9112 §5.
        public static var malformedField: Self { Self(.malformedField) }
        /// A CR without LF, or an LF without CR (RFC 9112 §2.2).
        public static var malformedLineEnding: Self { Self(.malformedLineEnding) }
        /// Host is missing, given twice or not a host (RFC 9112 §3.2).
        public static var invalidHost: Self { Self(.invalidHost) }
        /// Content-Length is not one plain decimal number (RFC 9112 §6.3).
        public static var invalidContentLength: Self { Self(.invalidContentLength) }
        /// Two statements about where the body ends (RFC 9112 §6.1, §6.3).
        public static var conflictingFraming: Self { Self(.conflictingFraming) }
        /// Transfer-Encoding is something else than `chunked` (RFC 9112 §6.1).
        public static var unsupportedTransferEncoding: Self { Self(.unsupportedTransferEncoding) }
        /// A chunk does not follow RFC 9112 §7.1.
        public static var malformedChunk: Self { Self(.malformedChunk) }
        /// `HTTP1Limits.startLine` was exceeded.
        public static var startLineTooLong: Self { Self(.startLineTooLong) }
        /// `HTTP1Limits.fieldLine` was exceeded.
        public static var fieldLineTooLong: Self { Self(.fieldLineTooLong) }
        /// `HTTP1Limits.head` was exceeded.
        public static var headTooLarge: Self { Self(.headTooLarge) }
        /// `HTTP1Limits.fieldCount` was exceeded.
        public static var tooManyFields: Self { Self(.tooManyFields) }
        /// `HTTP1Limits.chunkSizeLine` or `HTTP1Limits.chunkExtensions` was exceeded.
        public static var chunkLineTooLong: Self { Self(.chunkLineTooLong) }
        /// `HTTP1Limits.trailers` was exceeded.
        public static var trailersTooLarge: Self { Self(.trailersTooLarge) }
        /// `HTTP1Limits.interimResponses` was exceeded.
        public static var tooManyInterimResponses: Self { Self(.tooManyInterimResponses) }
        /// The server sent something while no request was outstanding.
        public static var unsolicitedResponse: Self { Self(.unsolicitedResponse) }
        /// The server changed protocols although the request did not ask for it.
        public static var unexpectedUpgrade: Self { Self(.unexpectedUpgrade) }
        /// The peer closed without having sent a single byte of the response.
        public static var closedBeforeResponse: Self { Self(.closedBeforeResponse) }
        /// The peer closed in the middle of a head.
        public static var closedInHead: Self { Self(.closedInHead) }
        /// The peer closed in the middle of a body.
        public static var closedInBody: Self { Self(.closedInBody) }
        /// The call does not fit the state of the connection.
        public static var wrongState: Self { Self(.wrongState) }
        /// A field to be sent contains CR, LF, NUL or another control character.
        public static var invalidField: Self { Self(.invalidField) }
        /// The request target to be sent is empty or contains something other than visible ASCII.
        public static var invalidTarget: Self { Self(.invalidTarget) }
        /// The reason phrase to be sent contains a control character.
        public static var invalidReason: Self { Self(.invalidReason) }
        /// A Content-Length or Transfer-Encoding among the given fields contradicts the body.
        public static var framingFieldMismatch: Self { Self(.framingFieldMismatch) }
        /// This message cannot have that body.
        public static var bodyNotAllowed: Self { Self(.bodyNotAllowed) }
        /// More body than declared.
        public static var bodyTooLong: Self { Self(.bodyTooLong) }
        /// Less body than declared.
        public static var bodyTooShort: Self { Self(.bodyTooShort) }

        /// Whether the peer broke the rules (or vanished), rather than this side's caller.
        public var isPeerFault: Bool { raw.rawValue < Raw.wrongState.rawValue }

        /// Whether the peer closed the connection where it must not.
        public var isUnexpectedEOF: Bool {
            raw == .closedBeforeResponse || raw == .closedInHead || raw == .closedInBody
        }

        public var description: String { "\(raw)" }

        /// The status a server should answer with before it closes, nil where no answer makes sense.
        var statusHint: Int? {
            switch raw {
            case .notHTTP, .malformedStartLine, .malformedField, .malformedLineEnding, .invalidHost,
                .invalidContentLength, .conflictingFraming, .malformedChunk, .chunkLineTooLong, .http2OnHTTP1Port:
                400
            case .startLineTooLong: 414
            case .fieldLineTooLong, .headTooLarge, .tooManyFields, .trailersTooLarge: 431
            case .unsupportedTransferEncoding: 501
            case .unsupportedVersion: 505
            default: nil
            }
        }
    }

    /// What kind of error it is.
    public let code: Code
    /// What happened, to what, and what to do.
    public let message: String

    init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    /// Whether the peer broke the rules (or vanished), rather than this side's caller.
    public var isPeerFault: Bool { code.isPeerFault }

    /// For a server: the status to answer with before closing, nil where no answer makes sense.
    public var statusHint: Int? { code.statusHint }

    public var description: String { "HTTP/1 \(code): \(message)" }
}
