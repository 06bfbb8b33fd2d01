import CApus
import Glibc

/// The system calls of datagram sockets. Every descriptor is non-blocking and close-on-exec from birth.
extension Socket {
    /// What a receive found.
    enum Received {
        /// Bytes in the buffer, and who has sent them.
        case datagram(Int, SocketAddress?, isTruncated: Bool)
        /// An errno; EAGAIN for none now.
        case failed(Int32)
    }

    /// A report from a socket's error queue.
    enum DeliveryReport {
        case remote(DeliveryError)
        /// What a send has said already.
        case local
    }

    // MARK: Making

    /// Makes a socket that is bound to `address`.
    static func bindDatagrams(_ address: SocketAddress, _ options: UDPOptions) throws(NetError) -> Int32 {
        try openDatagrams(family: address.family, options) { fd throws(NetError) in
            guard address.withSockaddr({ bind(fd, $0, $1) }) == 0 else {
                throw NetError(errno: errno, while: "Binding UDP \(address)", at: address)
            }
        }
    }

    /// Makes a socket that is connected to `address`: nothing is sent, the system only looks for a route.
    static func connectDatagrams(_ address: SocketAddress, _ options: UDPOptions) throws(NetError) -> Int32 {
        try openDatagrams(family: address.family, options) { fd throws(NetError) in
            if let local = options.localAddress, local.family == address.family {
                guard local.withSockaddr({ bind(fd, $0, $1) }) == 0 else {
                    throw NetError(errno: errno, while: "Binding UDP \(local), to send from there", at: local)
                }
            }
            guard address.withSockaddr({ Glibc.connect(fd, $0, $1) }) == 0 else {
                if errno == EACCES { throw broadcastRefused(address) }
                throw NetError(errno: errno, while: "Connecting UDP to \(address)", at: address)
            }
        }
    }

    private static func openDatagrams(
        family: Int32,
        _ options: UDPOptions,
        _ attach: (Int32) throws(NetError) -> Void
    ) throws(NetError) -> Int32 {
        guard family != AF_UNIX else {
            throw NetError(.invalidAddress, "A UDP socket needs an IPv4 or IPv6 address, not that of a Unix socket.")
        }
        let fd = try make(family: family, isDatagram: true)
        do throws(NetError) {
            try apply(options, to: fd, family: family)
            try attach(fd)
            return fd
        } catch {
            close(fd)
            throw error
        }
    }

    private static func apply(_ options: UDPOptions, to fd: Int32, family: Int32) throws(NetError) {
        let (v4, v6) = (Int32(IPPROTO_IP), Int32(IPPROTO_IPV6))
        let isV6 = family == AF_INET6
        if options.broadcast { try require(fd, SOL_SOCKET, SO_BROADCAST, 1, "broadcast") }
        if options.reuseAddress { try require(fd, SOL_SOCKET, SO_REUSEADDR, 1, "reuseAddress") }
        if options.reusePort { try require(fd, SOL_SOCKET, SO_REUSEPORT, 1, "reusePort") }
        if let size = options.receiveBufferSize { set(fd, SOL_SOCKET, SO_RCVBUF, Int32(clamping: size)) }
        if let size = options.sendBufferSize { set(fd, SOL_SOCKET, SO_SNDBUF, Int32(clamping: size)) }
        if isV6 { try require(fd, v6, IPV6_V6ONLY, options.ipv6Only ? 1 : 0, "ipv6Only") }
        reportErrors(of: fd, isV6: isV6)
        if let hops = options.timeToLive {
            try require(fd, isV6 ? v6 : v4, isV6 ? IPV6_UNICAST_HOPS : IP_TTL, hops, "timeToLive")
        }
        if let hops = options.multicastTimeToLive {
            let name = isV6 ? IPV6_MULTICAST_HOPS : IP_MULTICAST_TTL
            try require(fd, isV6 ? v6 : v4, name, hops, "multicastTimeToLive")
        }
        if !options.multicastLoopback {
            let name = isV6 ? IPV6_MULTICAST_LOOP : IP_MULTICAST_LOOP
            try require(fd, isV6 ? v6 : v4, name, 0, "multicastLoopback")
        }
        guard let interface = options.multicastInterface else { return }
        let index = try interfaceIndex(interface)
        if isV6 {
            try require(fd, v6, IPV6_MULTICAST_IF, Int(index), "multicastInterface")
        } else {
            var request = ip_mreqn()
            request.imr_ifindex = Int32(index)
            guard setsockopt(fd, v4, IP_MULTICAST_IF, &request, socklen_t(MemoryLayout<ip_mreqn>.size)) == 0 else {
                throw NetError(errno: errno, while: "Sending to groups by “\(interface)”")
            }
        }
    }

    /// Keeps reports of what could not be delivered, with their addresses (ip(7), IP_RECVERR).
    private static func reportErrors(of fd: Int32, isV6: Bool) {
        set(fd, Int32(IPPROTO_IP), IP_RECVERR, 1)
        if isV6 { set(fd, Int32(IPPROTO_IPV6), IPV6_RECVERR, 1) }
    }

    private static func require(
        _ fd: Int32,
        _ level: Int32,
        _ name: Int32,
        _ value: Int,
        _ option: String
    ) throws(NetError) {
        var value = Int32(clamping: value)
        guard setsockopt(fd, level, name, &value, socklen_t(MemoryLayout<Int32>.size)) == 0 else {
            let code = errno
            let action = "Setting \(option) to \(value) on a UDP socket"
            throw code == EINVAL
                ? NetError(.invalidArgument, errno: code, while: action) : NetError(errno: code, while: action)
        }
    }

    /// Makes a datagram socket that came from elsewhere one of ours. It is closed if it is none.
    static func adoptDatagrams(_ fd: Int32) throws(NetError) {
        do throws(NetError) {
            let family = get(fd, SOL_SOCKET, SO_DOMAIN)
            guard get(fd, SOL_SOCKET, SO_TYPE) == Int32(SOCK_DGRAM.rawValue), family == AF_INET || family == AF_INET6
            else {
                throw NetError(.invalidArgument, "Descriptor \(fd) is not a UDP socket: it cannot be adopted as one.")
            }
            guard fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) == 0,
                fcntl(fd, F_SETFD, fcntl(fd, F_GETFD) | FD_CLOEXEC) == 0
            else { throw NetError(errno: errno, while: "Setting the flags of descriptor \(fd)") }
            reportErrors(of: fd, isV6: family == AF_INET6)
        } catch {
            close(fd)
            throw error
        }
    }

    /// Whether an IPv6 socket sends to IPv4 addresses as well.
    static func takesBothFamilies(_ fd: Int32) -> Bool { get(fd, Int32(IPPROTO_IPV6), IPV6_V6ONLY) == 0 }

    static func localAddress(_ fd: Int32) throws(NetError) -> SocketAddress {
        guard let address = SocketAddress(of: fd, getsockname) else {
            throw NetError(.invalidArgument, "Socket \(fd) has no address.")
        }
        return address
    }

    static func remoteAddress(_ fd: Int32) -> SocketAddress? { SocketAddress(of: fd, getpeername)?.unmapped }

    // MARK: Groups

    static func changeMembership(_ fd: Int32, join: Bool, group: SocketAddress, interface: String?) throws(NetError) {
        let index = if let interface { try interfaceIndex(interface) } else { UInt32(0) }
        let code = group.withSockaddr { apus_change_membership(fd, join, $0, $1, index) }
        guard code != 0 else { return }
        let place = interface.map { " on “\($0)”" } ?? ""
        let action = "\(join ? "Joining" : "Leaving") the group \(group.host)\(place)"
        throw code == EINVAL || code == EADDRINUSE || !join && code == EADDRNOTAVAIL
            ? NetError(.invalidArgument, errno: code, while: action) : NetError(errno: code, while: action)
    }

    private static func interfaceIndex(_ name: String) throws(NetError) -> UInt32 {
        let index = if_nametoindex(name)
        guard index != 0 else {
            throw NetError(.invalidArgument, "This machine has no interface “\(name)”.")
        }
        return index
    }

    // MARK: One datagram

    /// Bytes sent, which are all, or -errno.
    static func send(_ fd: Int32, _ bytes: UnsafeRawBufferPointer, to address: SocketAddress?) -> Int {
        while true {
            let count: Int
            if let address {
                count = address.withSockaddr {
                    sendto(fd, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL), $0, $1)
                }
            } else {
                count = Glibc.send(fd, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL))
            }
            if count >= 0 { return count }
            if errno != EINTR { return -Int(errno) }
        }
    }

    static func receiveDatagram(_ fd: Int32, into buffer: UnsafeMutableRawBufferPointer) -> Received {
        var storage = sockaddr_storage()
        return withUnsafeMutablePointer(to: &storage) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                while true {
                    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
                    // MSG_TRUNC: the length that the datagram had, also where the buffer is shorter.
                    let count = recvfrom(fd, buffer.baseAddress, buffer.count, Int32(MSG_TRUNC), address, &length)
                    if count >= 0 {
                        let sender = length > 0 ? SocketAddress(address, length: length)?.unmapped : nil
                        return .datagram(min(count, buffer.count), sender, isTruncated: count > buffer.count)
                    }
                    if errno != EINTR { return .failed(errno) }
                }
            }
        }
    }

    // MARK: Batches

    /// Receives up to `count` datagrams of up to `size` bytes each, with one call.
    ///
    /// - Parameter memory: `size` bytes for each of them.
    /// - Returns: how many, or -errno.
    static func receiveBatch(
        _ fd: Int32,
        _ count: Int,
        size: Int,
        into memory: UnsafeMutableRawBufferPointer,
        _ body: (UnsafeRawBufferPointer, SocketAddress?, _ isTruncated: Bool) -> Void
    ) -> Int {
        guard let start = memory.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return 0 }
        return withUnsafeTemporaryAllocation(of: apus_datagram.self, capacity: count) { datagrams in
            guard let list = datagrams.baseAddress else { return 0 }
            list.initialize(repeating: apus_datagram(), count: count)
            let received = apus_receive_datagrams(fd, start, UInt32(size), list, Int32(count))
            guard received > 0 else { return Int(received) }
            for index in 0..<Int(received) {
                let bytes = UnsafeRawBufferPointer(start: start + index * size, count: Int(list[index].length))
                let length = list[index].address_length
                let sender = address(&list[index].address, length)
                body(bytes, sender, list[index].is_truncated)
            }
            return Int(received)
        }
    }

    /// Sends as many of `batch` as fit into `memory` with one call.
    ///
    /// - Parameter peers: whether each is sent to its own peer; false for a connected socket.
    /// - Returns: how many of them, or -errno, and of how many.
    static func sendBatch(
        _ fd: Int32,
        _ batch: ArraySlice<Datagram>,
        toPeers peers: Bool,
        by memory: UnsafeMutableRawBufferPointer
    ) -> (sent: Int, wanted: Int) {
        guard let start = memory.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return (0, 0) }
        let most = min(batch.count, Int(APUS_DATAGRAM_BATCH))
        return withUnsafeTemporaryAllocation(of: apus_datagram.self, capacity: most) { datagrams in
            guard let list = datagrams.baseAddress else { return (0, 0) }
            var count = 0
            var end = 0
            for datagram in batch.prefix(most) {
                // In their order: the first that does not fit ends this call.
                guard datagram.bytes.count <= memory.count - end else { break }
                (list + count).initialize(to: apus_datagram())
                UnsafeMutableRawBufferPointer(rebasing: memory[end...]).copyBytes(from: datagram.bytes)
                list[count].offset = UInt32(end)
                list[count].length = UInt32(datagram.bytes.count)
                if peers { list[count].address_length = datagram.peer.store(in: &list[count].address) }
                end += datagram.bytes.count
                count += 1
            }
            guard count > 0 else { return (-Int(EMSGSIZE), 1) }
            return (Int(apus_send_datagrams(fd, start, list, Int32(count))), count)
        }
    }

    // MARK: Errors

    /// Takes the next report off the error queue; nil if there is none.
    static func nextDeliveryReport(_ fd: Int32) -> DeliveryReport? {
        var raw = apus_delivery_error()
        guard apus_next_delivery_error(fd, &raw) == 1 else { return nil }
        guard raw.is_remote else { return .local }
        let destination = address(&raw.destination, raw.destination_length)
        let reporter = address(&raw.reporter, raw.reporter_length)
        return .remote(undelivered(raw.code, to: destination, reportedBy: reporter))
    }

    /// Whether a socket's error may come from an ICMP message (icmp(7), and RFC 4443 for EACCES and EPROTO).
    static func isDeliveryError(_ code: Int32) -> Bool {
        [ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, EHOSTDOWN, ENONET, ENOPROTOOPT, EOPNOTSUPP, EPROTO].contains(code)
    }

    static func undelivered(
        _ code: Int32,
        to destination: SocketAddress?,
        reportedBy reporter: SocketAddress? = nil
    ) -> DeliveryError {
        let whom = destination?.description ?? "an address that is not known any more"
        let source = reporter.map { ", as \($0.host) reports" } ?? ""
        return DeliveryError(
            destination: destination,
            reporter: reporter,
            cause: NetError(errno: code, while: "A datagram to \(whom) was not delivered\(source)")
        )
    }

    static func broadcastRefused(_ address: SocketAddress) -> NetError {
        var error = NetError(
            .permissionDenied,
            "The system does not allow datagrams to \(address). If it is a broadcast address, set `broadcast` in the socket's UDPOptions."
        )
        error.errno = EACCES
        return error
    }

    private static func address(_ storage: inout sockaddr_storage, _ length: UInt32) -> SocketAddress? {
        guard length > 0 else { return nil }
        return withUnsafePointer(to: &storage) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { SocketAddress($0, length: length)?.unmapped }
        }
    }
}

extension SocketAddress {
    /// Writes the system's form, and returns its length.
    fileprivate func store(in storage: inout sockaddr_storage) -> UInt32 {
        withUnsafeMutableBytes(of: &storage) { target in
            withSockaddr { address, length in
                target.copyMemory(from: UnsafeRawBufferPointer(start: address, count: Int(length)))
                return length
            }
        }
    }
}
