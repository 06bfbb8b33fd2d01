import ApusRuntime
import Glibc

/// Turns names into addresses with getaddrinfo(3), on a pool of its own: a slow name server must not delay files or databases,
/// nor the reverse.
package enum Resolver {
    private static let pool = OffloadPool(name: "dns", maximumThreads: 8, maximumQueue: 10_000)

    /// The addresses of `host`, in the order in which the system prefers them. Figures need no lookup.
    ///
    /// - Throws: ``NetError`` `.unknownHost`, `.nameLookupFailed`, `.invalidAddress`; `CancellationError`.
    ///
    /// Cancel safety: ends the wait at once; the lookup itself cannot be stopped and ends on its thread.
    package static func addresses(of host: String, port: Int) async throws -> [SocketAddress] {
        if let literal = try? SocketAddress(host, port: port) { return [literal] }
        guard UInt16(exactly: port) != nil else { throw NetError(.invalidAddress, "Port \(port) is not in 0...65535.") }
        guard !host.isEmpty, host.utf8.count <= 255, !host.utf8.contains(0) else {
            throw NetError(
                .invalidAddress,
                "“\(host.prefix(64))” cannot be a host name: it must have 1 to 255 bytes and no NUL."
            )
        }
        return try await offload(to: pool) { try lookUp(host, port: port) }
    }

    private static func lookUp(_ host: String, port: Int) throws(NetError) -> [SocketAddress] {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_ADDRCONFIG
        var list: UnsafeMutablePointer<addrinfo>?
        var code = getaddrinfo(host, nil, &hints, &list)
        if code != 0, code != EAI_AGAIN {
            // AI_ADDRCONFIG hides every address on a machine whose only interface is the loopback.
            hints.ai_flags = 0
            code = getaddrinfo(host, nil, &hints, &list)
        }
        let reason = errno
        defer { if let list { freeaddrinfo(list) } }
        guard code == 0 else {
            let text = code == EAI_SYSTEM ? UnsafePointer(strerror(reason)) : gai_strerror(code)
            // glibc's EAI_NODATA (the name exists, without addresses) is behind _GNU_SOURCE, which Swift does not import.
            let isUnknown = code == EAI_NONAME || code == -5
            throw NetError(
                isUnknown ? .unknownHost : .nameLookupFailed,
                "Looking up “\(host)”: \(text.map { String(cString: $0) } ?? "error \(code)")"
            )
        }
        var result: [SocketAddress] = []
        var next = list
        while let entry = next {
            if let raw = entry.pointee.ai_addr, let address = SocketAddress(raw, length: entry.pointee.ai_addrlen),
                let withPort = try? SocketAddress(address.host, port: port), !result.contains(withPort)
            {
                result.append(withPort)
            }
            next = entry.pointee.ai_next
        }
        guard !result.isEmpty else { throw NetError(.unknownHost, "“\(host)” has no addresses.") }
        return result
    }
}
