/// Every attempt of ``firstSuccess(_:discard:onFailure:_:)`` or ``staggeredRace(_:delay:discard:onFailure:_:)`` failed: all their
/// errors together, as JavaScript's `AggregateError` and Python's `ExceptionGroup` have them.
public struct AllFailedError: Error, Sendable, CustomStringConvertible {
    /// What each attempt threw, in the order of the elements.
    public var errors: [any Error]

    public init(_ errors: [any Error]) { self.errors = errors }

    /// How many errors the description shows.
    private static let shownErrors = 4

    public var description: String {
        let shown = errors.prefix(Self.shownErrors).map { "\($0)" }.joined(separator: "; ")
        let more = errors.count > Self.shownErrors ? "; and \(errors.count - Self.shownErrors) more" : ""
        return "All of \(errors.count) attempts failed: \(shown)\(more). `errors` has each."
    }
}
