// The error tree of URIs. All are the fault of whoever wrote the text (a user, or a peer's Location field).
//
// URIError
// ├─ as a whole     empty, tooLong, controlCharacter
// ├─ scheme         invalidScheme
// ├─ authority      emptyHost, invalidHost, invalidIPv4, invalidIPv6, invalidInternationalHost, invalidPort,
// │                 backslashInAuthority, ambiguousUserinfo
// ├─ when building   invalidPath
// └─ the rest       never fails: what is not allowed there is percent-encoded

/// Why a text is not a URI.
///
/// Messages never contain userinfo or a query.
public struct URIError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What kind of error it is. More may be added: keep a default case when switching over them.
    public struct Code: Sendable, Hashable, CustomStringConvertible {
        private enum Raw: UInt8 {
            case empty, tooLong, controlCharacter, invalidScheme
            case emptyHost, invalidHost, invalidIPv4, invalidIPv6, invalidInternationalHost, invalidPort
            case backslashInAuthority, ambiguousUserinfo, invalidPath, needsASCIIHost
        }

        private let raw: Raw
        private init(_ raw: Raw) { self.raw = raw }

        /// The text is empty.
        public static var empty: Self { Self(.empty) }
        /// The text is longer than `URI.maximumLength`.
        public static var tooLong: Self { Self(.tooLong) }
        /// A control character, such as a line end or NUL, occurs.
        public static var controlCharacter: Self { Self(.controlCharacter) }
        /// No scheme, or one with characters that schemes do not have (RFC 3986 §3.1).
        public static var invalidScheme: Self { Self(.invalidScheme) }
        /// No host where the scheme needs one.
        public static var emptyHost: Self { Self(.emptyHost) }
        /// The host is not a DNS name.
        public static var invalidHost: Self { Self(.invalidHost) }
        /// The host ends in a number without being four decimal numbers of 0 to 255.
        public static var invalidIPv4: Self { Self(.invalidIPv4) }
        /// The text in brackets is not an IPv6 address.
        public static var invalidIPv6: Self { Self(.invalidIPv6) }
        /// The host has characters outside of ASCII that cannot be brought into the ASCII form of a name (IDNA).
        public static var invalidInternationalHost: Self { Self(.invalidInternationalHost) }
        /// The port is not a number of 1 to 65535.
        public static var invalidPort: Self { Self(.invalidPort) }
        /// A backslash stands in the authority, where programs disagree about it.
        public static var backslashInAuthority: Self { Self(.backslashInAuthority) }
        /// More than one `@` stands in the authority.
        public static var ambiguousUserinfo: Self { Self(.ambiguousUserinfo) }

        /// A path to be added has a segment that would lead out of the base.
        public static var invalidPath: Self { Self(.invalidPath) }
        /// Between the parser and `URI.init`: the host has to be mapped.
        static var needsASCIIHost: Self { Self(.needsASCIIHost) }

        public var description: String { "\(raw)" }
    }

    /// What kind of error it is.
    public let code: Code
    /// What is wrong and what to do.
    public let message: String

    init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    public var description: String { "URI \(code): \(message)" }
}
