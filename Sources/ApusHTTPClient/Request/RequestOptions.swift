/// What a request can have otherwise than its session, beyond the arguments of every verb.
///
/// ```swift
/// let coded = try await session.get(url, options: RequestOptions(decompress: false)).bytes()
/// ```
public struct RequestOptions: Sendable {
    /// Whether a coded body is decoded; nil for the session's ``ClientSession/Configuration/decompress``. With false the automatic
    /// `Accept-Encoding` is not sent either: state one to be sent a coded body. With true it is the session's matter whether it is sent.
    public var decompress: Bool?
    /// Whether a status of 400 or more is thrown; nil for the session's ``ClientSession/Configuration/raiseForStatus``.
    public var raiseForStatus: Bool?

    public init(decompress: Bool? = nil, raiseForStatus: Bool? = nil) {
        self.decompress = decompress
        self.raiseForStatus = raiseForStatus
    }
}

/// Options behind a reference: most requests have none, and an exchange should not be larger for the others.
final class RequestOptionsBox: Sendable {
    let options: RequestOptions

    init(_ options: RequestOptions) { self.options = options }
}
