/// A content coding (RFC 9110 §8.4.1): how a body is compressed.
package enum ContentCoding: Sendable, Hashable, CustomStringConvertible {
    case gzip, deflate, brotli, zstd
    /// Its name, in lower case.
    case other(String)

    /// The coding with this name, compared regardless of case; nil for `identity`, which is none.
    package init?(name: String) {
        switch HeaderScanner.lowercased(name) {
        // RFC 9110 §8.4.1.3: x-gzip is gzip.
        case "gzip", "x-gzip": self = .gzip
        case "deflate": self = .deflate
        case "br": self = .brotli
        case "zstd": self = .zstd
        case "identity": return nil
        case let name: self = .other(name)
        }
    }

    /// Its name, as in a field.
    package var description: String {
        switch self {
        case .gzip: "gzip"
        case .deflate: "deflate"
        case .brotli: "br"
        case .zstd: "zstd"
        case .other(let name): name
        }
    }

    // RFC 9110 §8.4: Content-Encoding = #content-coding, in the order in which they were applied.
    /// The codings of all Content-Encoding fields of a message (a Transfer-Encoding's list has the same form).
    ///
    /// - Returns: in the order in which they were applied: the last is to be undone first. `identity` is left out. The caller
    ///   bounds how many it takes.
    package static func list(_ values: [String]) -> [ContentCoding] {
        HeaderScanner.tokens(values).compactMap { ContentCoding(name: $0) }
    }

    // RFC 9110 §12.5.3: Accept-Encoding = #( codings [ weight ] ). Without weights the order is no promise, but servers
    // that choose the first do what is wanted.
    /// The value of Accept-Encoding that offers these, best first; `identity` if there are none, so that the body comes as
    /// it is.
    package static func acceptEncoding(_ available: [ContentCoding]) -> String {
        available.isEmpty ? "identity" : available.map(\.description).joined(separator: ", ")
    }
}
