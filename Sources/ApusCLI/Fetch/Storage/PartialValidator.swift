import Apus

/// By what a server tells whether a body is still the same (RFC 9110 §8.8).
enum PartialValidator: Sendable, Equatable {
    case strongETag(String)
    case lastModified(String)

    private static let maximumLength = 1_024
    static let maximumMeta = 2_048

    /// - Parameters: the values of ETag, Last-Modified and Date.
    /// - Returns: nil if there is neither a strong tag nor a date that is as good as one: then nothing can be asked for in parts.
    init?(etag: String?, lastModified: String?, date: String?) {
        if let etag {
            guard etag.utf8.count >= 2, etag.hasPrefix("\""), etag.hasSuffix("\""), Self.isPlain(etag) else {
                return nil
            }
            self = .strongETag(etag)
        } else if let lastModified, let date, let modified = HTTPTimestamp(lastModified),
            let now = HTTPTimestamp(date)
        {
            // A second later, or it may have changed again within the same second (RFC 9110 §8.8.2.2).
            guard modified < now else { return nil }
            self = .lastModified(lastModified)
        } else {
            return nil
        }
    }

    /// The value of If-Range.
    var ifRange: String {
        switch self {
        case .strongETag(let text), .lastModified(let text): text
        }
    }

    /// Whether an answer with these fields is of another body: to a request for a part some servers send one of what is there now,
    /// whatever If-Range says.
    func disagrees(etag: String?, lastModified: String?) -> Bool {
        switch self {
        case .strongETag(let text): etag.map { $0 != text } ?? false
        case .lastModified(let text): lastModified.map { $0 != text } ?? false
        }
    }

    private static func isPlain(_ text: String) -> Bool {
        text.utf8.count <= maximumLength && text.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F }
    }

    // MARK: - On disk

    private static let title = "apus partial 1"

    /// What is kept beside a part, with a hash at its end.
    func meta(identity: UInt64) -> String {
        let field =
            switch self {
            case .strongETag(let text): "etag \(text)"
            case .lastModified(let text): "modified \(text)"
            }
        let text = "\(Self.title)\n\(StableHash.digits(identity))\n\(field)\n"
        return text + StableHash(text).digits + "\n"
    }

    /// - Returns: nil if it is of something else, or not whole.
    init?(meta: String, identity: UInt64) {
        let lines = meta.split(separator: "\n", omittingEmptySubsequences: false)
        guard lines.count == 5, lines[0] == Self.title, lines[1] == StableHash.digits(identity), lines[4].isEmpty else {
            return nil
        }
        guard StableHash(lines[0...2].map { $0 + "\n" }.joined()).digits == lines[3] else { return nil }
        if lines[2].hasPrefix("etag ") {
            self = .strongETag(String(lines[2].dropFirst(5)))
        } else if lines[2].hasPrefix("modified ") {
            self = .lastModified(String(lines[2].dropFirst(9)))
        } else {
            return nil
        }
    }
}
