/// Turns names into addresses.
///
/// Apus ships ``SystemResolver``, and ``StaticResolver`` for tests and for names that must not be looked up.
public protocol Resolver: Sendable {
    /// The addresses of `host`, in the order in which they should be tried; at least one.
    ///
    /// - Throws: ``NetError`` `.unknownHost` or `.nameLookupFailed`; `CancellationError`.
    ///
    /// Cancel safety: the implementation ends the wait at once.
    func addresses(of host: String, port: Int) async throws -> [SocketAddress]
}

/// A table of names, and another resolver for the rest: aiohttp's answer to "test against this machine, under that name".
public struct StaticResolver: Resolver {
    private let table: [String: [String]]
    private let fallback: (any Resolver)?

    /// - Parameters:
    ///   - table: addresses in figures by name, in whatever case.
    ///   - fallback: asked for names that are not in the table; nil makes them unknown.
    public init(_ table: [String: [String]], fallback: (any Resolver)? = nil) {
        self.table = Dictionary(table.map { ($0.key.lowercased(), $0.value) }) { $0 + $1 }
        self.fallback = fallback
    }

    public func addresses(of host: String, port: Int) async throws -> [SocketAddress] {
        if let figures = table[host.lowercased()] {
            return try figures.map { try SocketAddress($0, port: port) }
        }
        // Figures are addresses already.
        if let literal = try? SocketAddress(host, port: port) { return [literal] }
        if let fallback { return try await fallback.addresses(of: host, port: port) }
        throw NetError(.unknownHost, "“\(host)” is not in the table of this StaticResolver, which has no fallback.")
    }
}
