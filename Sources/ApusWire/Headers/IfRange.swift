/// The value of If-Range (RFC 9110 §13.1.5): the version of which a part is wanted.
public enum IfRange: Sendable, Hashable, CustomStringConvertible {
    /// The version with this tag, which must be a strong one to match.
    case tag(EntityTag)
    /// The version that was last modified then.
    case date(HTTPTimestamp)

    // §13.1.5: If-Range = entity-tag / HTTP-date, told apart by the first three characters.
    /// Parses the value of an If-Range field; nil if it is neither.
    public init?(_ text: String) {
        if let tag = EntityTag(text) {
            self = .tag(tag)
        } else if let date = HTTPTimestamp(text) {
            self = .date(date)
        } else {
            return nil
        }
    }

    /// Whether the part can be sent of a representation with these: else all of it is.
    ///
    /// A date must be equal: "not modified since" would take a version that was restored from a backup.
    public func matches(tag: EntityTag?, lastModified: HTTPTimestamp?) -> Bool {
        switch self {
        case .tag(let wanted): tag?.matchesStrongly(wanted) ?? false
        case .date(let wanted): lastModified == wanted
        }
    }

    /// As in an If-Range field.
    public var description: String {
        switch self {
        case .tag(let tag): tag.description
        case .date(let date): date.description
        }
    }
}
