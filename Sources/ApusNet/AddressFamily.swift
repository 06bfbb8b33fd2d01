/// A version of the Internet Protocol, as a choice.
public enum AddressFamily: Sendable, Hashable {
    /// RFC 791.
    case ipv4
    /// RFC 8200.
    case ipv6
}
