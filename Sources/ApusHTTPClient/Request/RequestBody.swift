/// What a request carries.
public struct RequestBody: Sendable {
    /// The bytes.
    var bytes: [UInt8]
    /// The Content-Type, unless the request's own fields state one.
    var contentType: String

    /// Bytes as they are.
    ///
    /// - Parameter contentType: sent unless the request's fields state another.
    public static func bytes(_ bytes: [UInt8], contentType: String = "application/octet-stream") -> RequestBody {
        RequestBody(bytes: bytes, contentType: contentType)
    }

    /// A text in UTF-8.
    ///
    /// - Parameter contentType: sent unless the request's fields state another.
    public static func text(_ text: String, contentType: String = "text/plain; charset=utf-8") -> RequestBody {
        RequestBody(bytes: Array(text.utf8), contentType: contentType)
    }
}
