import Glibc

/// Sockets bound to several addresses, all of them or none.
enum BoundSockets {
    /// How often another free port is tried for all addresses: the one that the system chose on the first may be taken on the second.
    private static let attempts = 16

    /// Binds and listens.
    ///
    /// - Returns: the descriptors, and their addresses in the same order.
    static func open(_ addresses: [SocketAddress], _ options: ListenerOptions) throws(NetError) -> (
        fds: [Int32], addresses: [SocketAddress]
    ) {
        guard let first = addresses.first else {
            throw NetError(.invalidArgument, "A listener needs an address.")
        }
        var left = addresses.count > 1 && first.port == 0 ? attempts : 1
        while true {
            left -= 1
            do throws(NetError) {
                return try openOnce(addresses, options)
            } catch {
                if left == 0 || error.code != .addressInUse { throw error }
            }
        }
    }

    private static func openOnce(_ addresses: [SocketAddress], _ options: ListenerOptions) throws(NetError) -> (
        fds: [Int32], addresses: [SocketAddress]
    ) {
        var fds: [Int32] = []
        var bound: [SocketAddress] = []
        var refusal: NetError?
        let backlog = Int32(clamping: max(1, options.backlog))
        do throws(NetError) {
            for address in addresses {
                // One port for all, and not one for each: whoever is told the name and the port may come by any address.
                let wanted = address.port == 0 ? address.with(port: bound.first?.port ?? 0) : address
                if bound.contains(wanted) { continue }
                do throws(NetError) {
                    let fd = try Socket.listen(wanted, backlog: backlog, reusePort: options.reusePort)
                    fds.append(fd)
                    bound.append(SocketAddress(of: fd, getsockname) ?? wanted)
                } catch  where error.code == .addressNotAvailable || error.errno == EAFNOSUPPORT {
                    // A machine without IPv6 still has names with IPv6 addresses: asyncio leaves such ones out too.
                    refusal = error
                }
            }
            if fds.isEmpty, let refusal { throw refusal }
            return (fds, bound)
        } catch {
            for fd in fds { Socket.close(fd) }
            throw error
        }
    }
}
