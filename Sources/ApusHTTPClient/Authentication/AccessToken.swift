/// A token that a ``TokenRefresh`` has been given, such as one of OAuth 2. No description or dump shows it.
public struct AccessToken: Sendable, Hashable {
    /// What goes behind `Bearer`.
    public var value: String
    /// How long it is good, counted from when it was given; nil for as long as the server takes it.
    public var lifetime: Duration?

    /// - Parameters:
    ///   - value: what goes behind `Bearer`.
    ///   - lifetime: such as the `expires_in` of OAuth 2, in seconds there; nil for as long as the server takes it.
    public init(_ value: String, lifetime: Duration? = nil) {
        self.value = value
        self.lifetime = lifetime
    }
}

extension AccessToken: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// Not the token.
    public var description: String { "AccessToken" }
    public var debugDescription: String { description }
    public var customMirror: Mirror { Mirror(self, children: [], displayStyle: .struct) }
}
