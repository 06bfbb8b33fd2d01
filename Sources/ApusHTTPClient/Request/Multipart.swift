import ApusWire
public import HTTPTypes

/// A body of several parts, such as a form with files: aiohttp's `FormData` and `MultipartWriter` (RFC 2046 §5.1, RFC 7578).
///
/// ```swift
/// var form = Multipart()
/// form.append("title", "Holiday")
/// form.append("photo", file: "beach.jpg", contentType: "image/jpeg")
/// try await session.post(url, multipart: form)
/// ```
///
/// Files and written parts are sent piece by piece when their turn comes. The body has a known length if all its parts have one.
public struct Multipart: Sendable {
    enum Part: Sendable {
        case body(RequestBody)
        case nested(Multipart)
    }

    /// The second half of the Content-Type, such as `form-data` or `mixed`.
    public let subtype: String
    let boundary: MultipartBoundary
    private(set) var parts: [(fields: HTTPFields, content: Part)] = []

    /// A body without parts.
    ///
    /// - Parameter subtype: `form-data` for forms; `mixed`, `related`… else.
    public init(subtype: String = "form-data") {
        var generator = SystemRandomNumberGenerator()
        self.init(subtype: subtype, boundary: MultipartBoundary(random: generator.next(), generator.next()))
    }

    /// A body whose parts are separated by a line of your own, which must occur in none of them.
    ///
    /// - Parameters:
    ///   - subtype: `form-data` for forms; `mixed`, `related`… else.
    ///   - boundary: 1 to 70 characters that RFC 2046 §5.1.1 allows.
    /// - Throws: ``MultipartError`` for another boundary.
    public init(subtype: String = "form-data", boundary: String) throws {
        self.init(subtype: subtype, boundary: try MultipartBoundary(boundary))
    }

    private init(subtype: String, boundary: MultipartBoundary) {
        self.subtype = subtype
        self.boundary = boundary
    }

    /// The number of parts.
    public var count: Int { parts.count }

    // MARK: Fields of a form

    /// Adds a field of a form.
    public mutating func append(_ name: String, _ value: String) {
        parts.append((Self.formFields(name, filename: nil), .body(.text(value, contentType: ""))))
    }

    /// Adds a field of a form whose value is a body of its own, as an uploaded file is.
    ///
    /// - Parameters:
    ///   - filename: what the server is told; nil for a field that is no file.
    ///   - body: its Content-Type is the part's.
    public mutating func append(_ name: String, _ body: RequestBody, filename: String? = nil) {
        parts.append((Self.formFields(name, filename: filename), .body(body)))
    }

    /// Adds a file to a form.
    ///
    /// - Parameters:
    ///   - path: a regular file, opened when the request begins.
    ///   - filename: what the server is told; nil for the last component of `path`.
    public mutating func append(
        _ name: String,
        file path: String,
        filename: String? = nil,
        contentType: String = "application/octet-stream"
    ) {
        let last = path.split(separator: "/").last.map(String.init)
        append(name, .file(path, contentType: contentType), filename: filename ?? last ?? "file")
    }

    private static func formFields(_ name: String, filename: String?) -> HTTPFields {
        [.contentDisposition: MultipartFormField.disposition(name: name, filename: filename)]
    }

    // MARK: Parts of any kind

    /// Adds a part.
    ///
    /// - Parameters:
    ///   - headers: the part's own fields. A Content-Type among them goes before the body's.
    public mutating func append(_ body: RequestBody, headers: HTTPFields = [:]) {
        parts.append((headers, .body(body)))
    }

    /// Adds a multipart as a part.
    public mutating func append(_ nested: Multipart, headers: HTTPFields = [:]) {
        parts.append((headers, .nested(nested)))
    }
}
