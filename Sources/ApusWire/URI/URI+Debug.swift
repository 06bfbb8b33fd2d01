// What debuggers, `dump` and the descriptions of arrays show: without secrets. `description` is the full text, for requests.
extension URI: CustomDebugStringConvertible, CustomReflectable {
    /// As ``redacted``.
    public var debugDescription: String { redacted }

    public var customMirror: Mirror { Mirror(self, children: ["redacted": redacted], displayStyle: .struct) }
}
