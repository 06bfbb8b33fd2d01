// The error tree of multipart bodies.
//
// MultipartError
// ├─ reading, the peer's fault
// │  ├─ cut off        noBoundary, closedInHeaders, closedInPart
// │  ├─ malformed      malformedBoundary, malformedField, malformedLineEnding
// │  └─ too large      headersTooLarge, tooManyFields, tooManyParts
// └─ writing, ours     invalidBoundary, boundaryInContent, invalidField

/// Why a multipart body cannot be read or written. Messages name positions and limits, never content.
public struct MultipartError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What kind of error it is. More may be added: keep a default case when switching over them.
    public struct Code: Sendable, Hashable, CustomStringConvertible {
        private enum Raw: UInt8 {
            case noBoundary, closedInHeaders, closedInPart
            case malformedBoundary, malformedField, malformedLineEnding
            case headersTooLarge, tooManyFields, tooManyParts
            case invalidBoundary, boundaryInContent, invalidField
        }

        private let raw: Raw
        private init(_ raw: Raw) { self.raw = raw }

        /// The body ended without a single boundary line.
        public static var noBoundary: Self { Self(.noBoundary) }
        /// The body ended in a boundary line or among a part's header fields.
        public static var closedInHeaders: Self { Self(.closedInHeaders) }
        /// The body ended without its final boundary: it was cut off.
        public static var closedInPart: Self { Self(.closedInPart) }
        /// Something other than spaces and a line end follows a boundary.
        public static var malformedBoundary: Self { Self(.malformedBoundary) }
        /// A part's header field is not one.
        public static var malformedField: Self { Self(.malformedField) }
        /// A boundary line or a header line ends in LF without CR, or holds a lone CR.
        public static var malformedLineEnding: Self { Self(.malformedLineEnding) }
        /// `MultipartLimits.headerBytes` was exceeded.
        public static var headersTooLarge: Self { Self(.headersTooLarge) }
        /// `MultipartLimits.fieldCount` was exceeded.
        public static var tooManyFields: Self { Self(.tooManyFields) }
        /// `MultipartLimits.partCount` was exceeded.
        public static var tooManyParts: Self { Self(.tooManyParts) }
        /// The boundary is not one by RFC 2046, or begins like that of an outer multipart.
        public static var invalidBoundary: Self { Self(.invalidBoundary) }
        /// The boundary occurs in what it would have to separate.
        public static var boundaryInContent: Self { Self(.boundaryInContent) }
        /// A field of a part to be written has a character that fields cannot have.
        public static var invalidField: Self { Self(.invalidField) }

        public var description: String { "\(raw)" }
    }

    /// What kind of error it is.
    public let code: Code
    /// What happened, to what, and what to do.
    public let message: String

    init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    public var description: String { "multipart \(code): \(message)" }
}
