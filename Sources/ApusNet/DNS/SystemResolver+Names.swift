import ApusRuntime

extension SystemResolver {
    /// Threads of their own: a server that asks for the name of each of its clients shall not hold up the lookups of addresses.
    private static let namePool = OffloadPool(name: "dns-names", maximumThreads: 8, maximumQueue: 10_000)

    /// The name of the machine that has an address: asyncio's `getnameinfo`, getnameinfo(3) on a thread of the resolver's.
    ///
    /// What it says is whatever the owner of the address has written into the DNS. Log it, but decide nothing by it. Eight are looked up at a
    /// time, and nothing is kept.
    ///
    /// - Parameter address: the port does not matter. Its figures, without a lookup, are ``SocketAddress/host``.
    /// - Throws: ``NetError`` `.unknownHost` if the address has no name, `.nameLookupFailed`, `.invalidAddress` for a Unix socket's;
    ///   `CancellationError`.
    ///
    /// Cancel safety: ends the wait at once; the query itself cannot be stopped and ends on its thread.
    public func hostName(of address: SocketAddress) async throws -> String {
        try await hostName(of: address, query: SystemQuery.hostName)
    }

    package func hostName(
        of address: SocketAddress,
        query: @escaping @Sendable (SocketAddress) throws(NetError) -> String
    ) async throws -> String {
        guard address.port != nil else {
            throw NetError(.invalidAddress, "\(address) is a Unix socket's address. Only IP addresses have names.")
        }
        do {
            return try await offload(to: Self.namePool) { try query(address) }
        } catch let error as OffloadError {
            throw NetError(.nameLookupFailed, "Looking up the name of \(address.host): \(error)")
        }
    }
}
