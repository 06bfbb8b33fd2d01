public import ApusRuntime

/// A UDP socket, connected to one peer or open to all: asyncio's datagram endpoint.
///
/// ```swift
/// let socket = try await UDPSocket.bind(host: "127.0.0.1", port: 7)
/// for try await datagram in socket.datagrams {
///     try await socket.send(datagram.bytes, to: datagram.peer)
/// }
/// ```
///
/// **Sizes.** A datagram carries at most 65,507 bytes over IPv4 and 65,527 over IPv6; more is an error, `.messageTooLarge`. Above the network's
/// packet size, mostly 1,500 bytes with their headers, it travels in fragments, and is lost if one of them is.
///
/// **What cannot be delivered.** A send succeeds when the system has taken the datagram. If somebody reports later that it did not arrive (ICMP: no
/// socket has that port, no route), a *connected* socket's next send or receive throws that, once: `.connectionRefused` and the like. The socket goes on
/// afterwards. A socket that is *not* connected keeps such reports for ``errors``, with the destination, and its sends and receives go on, so
/// that one peer who has left does not end a server. Silence means nothing: most networks drop datagrams without a report.
///
/// A socket belongs to the loop on which it was made, or to ``EventLoop/shared`` if there was none. It may be used from anywhere:
/// elsewhere each operation costs a hop there and back. One task receives at a time; any number may send. Dropping the last reference closes it.
public final class UDPSocket: Sendable {
    private let bound: LoopBound<DatagramCore>
    /// This end, with the port that the system chose if 0 was asked for.
    public let localAddress: SocketAddress
    /// The only peer, if the socket is connected.
    public let remoteAddress: SocketAddress?

    /// The loop that the socket belongs to.
    public var eventLoop: EventLoop { bound.loop }

    /// Loop thread only.
    private init(_ fd: Int32, maximumSize: Int, on loop: EventLoop) throws {
        let core = try DatagramCore(adopting: fd, maximumSize: maximumSize, on: loop)
        bound = LoopBound(core, on: loop)
        localAddress = core.localAddress
        remoteAddress = core.remoteAddress
    }

    /// On the loop's thread, whoever drops the last reference.
    deinit { bound.perform { $0.drop() } }

    // MARK: Making

    /// Makes a socket that receives from everybody.
    ///
    /// - Parameters:
    ///   - host: a name or an address in figures, of this machine; a group's address to receive what is sent to it. Nil for every address of
    ///     both families.
    ///   - port: 0 for one that is free.
    ///   - options: of the socket.
    /// - Throws: ``NetError`` (`.addressInUse`, `.permissionDenied`, `.addressNotAvailable`, `.unknownHost`, `.invalidArgument` for an option…),
    ///   `CancellationError`, ``LoopError`` `.loopClosed`.
    ///
    /// Cancel safety: leaves no socket behind.
    public static func bind(host: String?, port: Int, options: UDPOptions = UDPOptions()) async throws -> UDPSocket {
        try await TCPStream.onLoop { loop in
            guard let host else {
                var both = options
                both.ipv6Only = false
                let all = [try SocketAddress("::", port: port), try SocketAddress("0.0.0.0", port: port)]
                return try open(all, both, on: loop, Socket.bindDatagrams)
            }
            let addresses = try await options.resolver.addresses(of: host, port: port)
            return try open(addresses, options, on: loop, Socket.bindDatagrams)
        }
    }

    /// Makes a socket that receives from everybody, at `address`: see ``bind(host:port:options:)``.
    ///
    /// Cancel safety: leaves no socket behind.
    public static func bind(to address: SocketAddress, options: UDPOptions = UDPOptions()) async throws -> UDPSocket {
        try await TCPStream.onLoop { loop in try open([address], options, on: loop, Socket.bindDatagrams) }
    }

    /// Makes a socket for one peer: it sends there, and receives only from there. Nothing is sent yet.
    ///
    /// - Parameters:
    ///   - host: a name or an address in figures. Of several addresses the first that this machine has a route to.
    ///   - port: 1...65535.
    ///   - timeout: bounds the name lookup; nil for ever.
    ///   - options: of the socket.
    /// - Throws: ``NetError`` (`.unknownHost`, `.networkUnreachable`, `.timedOut`, `.permissionDenied` for a broadcast address without
    ///   ``UDPOptions/broadcast``…), `CancellationError`, ``LoopError`` `.loopClosed`.
    ///
    /// Cancel safety: leaves no socket behind.
    public static func connect(
        host: String,
        port: Int,
        timeout: Duration? = .seconds(10),
        options: UDPOptions = UDPOptions()
    ) async throws -> UDPSocket {
        try await TCPStream.onLoop { loop in
            let addresses = try await TCPStream.resolve(host, port, options.resolver, timeout)
            return try open(addresses, options, on: loop, Socket.connectDatagrams)
        }
    }

    /// Makes a socket for one peer: see ``connect(host:port:timeout:options:)``.
    ///
    /// Cancel safety: leaves no socket behind.
    public static func connect(
        to address: SocketAddress,
        options: UDPOptions = UDPOptions()
    ) async throws -> UDPSocket {
        try await TCPStream.onLoop { loop in try open([address], options, on: loop, Socket.connectDatagrams) }
    }

    /// Takes over a UDP socket that was made elsewhere: by a parent process, a library, systemd.
    ///
    /// - Parameters:
    ///   - fd: a datagram socket over IPv4 or IPv6. It is the socket's from now on, and closed on an error too; its flags become non-blocking
    ///     and close-on-exec, and reports of what cannot be delivered are switched on (IP_RECVERR).
    ///   - maximumSize: as ``UDPOptions/maximumSize``.
    /// - Throws: ``NetError`` `.invalidArgument` if it is something else; ``LoopError``.
    ///
    /// Cancel safety: the socket is made in any case.
    public static func adopt(fd: Int32, maximumSize: Int = UDPOptions.largestSize) async throws -> UDPSocket {
        try await TCPStream.onLoop { loop in
            try Socket.adoptDatagrams(fd)
            return try UDPSocket(fd, maximumSize: maximumSize, on: loop)
        }
    }

    /// A socket for the first of `addresses` that can be had.
    private static func open(
        _ addresses: [SocketAddress],
        _ options: UDPOptions,
        on loop: EventLoop,
        _ make: (SocketAddress, UDPOptions) throws(NetError) -> Int32
    ) throws -> UDPSocket {
        try loop.checkOpen()
        var refusal = NetError(.invalidArgument, "A UDP socket needs an address.")
        for (index, address) in addresses.enumerated() {
            let fd: Int32
            do throws(NetError) {
                fd = try make(address, options)
            } catch {
                // The first reason is the one to tell: the others are ways out of it.
                if index == 0 { refusal = error }
                continue
            }
            return try UDPSocket(fd, maximumSize: options.maximumSize, on: loop)
        }
        throw refusal
    }

    // MARK: Sending

    /// Sends a datagram.
    ///
    /// - Parameters:
    ///   - bytes: none at all is allowed; at most 65,507 over IPv4, 65,527 over IPv6.
    ///   - address: whom to send to. A connected socket needs none, and takes none but its peer's.
    ///   - timeout: how long to wait for room in the system's buffer; nil for ever.
    /// - Throws: ``NetError`` (`.messageTooLarge`; `.permissionDenied` for a broadcast address without ``UDPOptions/broadcast``;
    ///   `.invalidArgument` for another peer than the connected one, or none on a socket that is not; `.invalidAddress` for one of another family;
    ///   `.networkUnreachable`, `.timedOut`, `.closed`); on a connected socket also what was reported on an *earlier* datagram
    ///   (`.connectionRefused`, `.hostUnreachable`…): this one was not sent then. `CancellationError`.
    ///
    /// Cancel safety: the datagram was either sent or, with an error, not.
    public func send(
        _ bytes: ArraySlice<UInt8>,
        to address: SocketAddress? = nil,
        timeout: Duration? = nil
    ) async throws {
        guard bound.loop.runsCurrentTask else {
            return try await bound.loop.hop { try await self.bound.value.send(bytes, to: address, timeout: timeout) }
        }
        try await bound.value.send(bytes, to: address, timeout: timeout)
    }

    /// Sends a datagram: see ``send(_:to:timeout:)``.
    public func send(_ bytes: [UInt8], to address: SocketAddress? = nil, timeout: Duration? = nil) async throws {
        try await send(bytes[...], to: address, timeout: timeout)
    }

    /// Sends a datagram of UTF-8: see ``send(_:to:timeout:)``.
    public func send(_ text: String, to address: SocketAddress? = nil, timeout: Duration? = nil) async throws {
        try await send(Array(text.utf8)[...], to: address, timeout: timeout)
    }

    /// Sends many datagrams with few system calls (sendmmsg(2)): up to 64, or 64 KiB, with one.
    ///
    /// - Parameters:
    ///   - batch: each to its peer, which on a connected socket must be the connected one.
    ///   - timeout: bounds each wait for room; nil for ever.
    /// - Throws: as ``send(_:to:timeout:)``: the datagrams before the one in question have been sent, those behind it have not.
    ///
    /// Cancel safety: a part of them may have been sent, in their order.
    public func send(batch: [Datagram], timeout: Duration? = nil) async throws {
        try await onLoop { try await self.bound.value.send(batch[...], timeout: timeout) }
    }

    // MARK: Receiving

    /// Waits for the next datagram.
    ///
    /// - Parameter timeout: how long to wait; nil for ever.
    /// - Throws: ``NetError`` (`.timedOut`, `.closed`, `.busy` when another task receives); on a connected socket also what was reported on
    ///   a datagram that it has sent (`.connectionRefused`, `.hostUnreachable`…), once, after which it goes on. `CancellationError`.
    ///
    /// Cancel safety: no datagram is lost; the next receive gets it.
    public func receive(timeout: Duration? = nil) async throws -> Datagram {
        guard bound.loop.runsCurrentTask else {
            return try await bound.loop.hop { try await self.bound.value.receive(timeout: timeout) }
        }
        return try await bound.value.receive(timeout: timeout)
    }

    /// Waits for datagrams, and takes as many as are there, with few system calls (recvmmsg(2)): up to 32 with one.
    ///
    /// The first call reserves 32 times ``UDPOptions/maximumSize`` bytes of addresses for this socket; of memory it takes what datagrams fill.
    ///
    /// - Parameters:
    ///   - count: the most to return, at least 1.
    ///   - timeout: how long to wait for the first; nil for ever.
    /// - Returns: 1...`count` datagrams, in the order in which they came.
    /// - Throws: as ``receive(timeout:)``; ``NetError`` `.invalidArgument` for a count below 1.
    ///
    /// Cancel safety: no datagram is lost; the next receive gets it.
    public func receive(upTo count: Int, timeout: Duration? = nil) async throws -> [Datagram] {
        try await onLoop { try await self.bound.value.receive(upTo: count, timeout: timeout) }
    }

    /// The datagrams that come, until the socket is closed on this side.
    public var datagrams: Datagrams { Datagrams(socket: self) }

    /// What could not be delivered, by a socket that is not connected, until it is closed on this side.
    ///
    /// Reports that nobody asks for are kept, the newest 256 of them.
    public var errors: Errors { Errors(socket: self) }

    func nextError() async throws -> DeliveryError {
        try await onLoop { try await self.bound.value.nextError(timeout: nil) }
    }

    // MARK: Groups

    /// Joins a multicast group: what is sent to it comes here as well, if the port is the socket's.
    ///
    /// - Parameters:
    ///   - group: an address in figures, of 224.0.0.0/4 or ff00::/8.
    ///   - interface: where to listen, such as `eth0`; nil for the one of the routing table.
    /// - Throws: ``NetError`` (`.invalidArgument` for an address that is no group's, an interface that there is not, a group joined already;
    ///   `.invalidAddress`, `.closed`).
    ///
    /// Cancel safety: takes effect in any case.
    public func join(group: String, interface: String? = nil) async throws {
        try await onLoop { try self.bound.value.changeMembership(join: true, group: group, interface: interface) }
    }

    /// Leaves a multicast group that was joined with the same arguments: see ``join(group:interface:)``.
    ///
    /// Cancel safety: takes effect in any case.
    public func leave(group: String, interface: String? = nil) async throws {
        try await onLoop { try self.bound.value.changeMembership(join: false, group: group, interface: interface) }
    }

    // MARK: Ending

    /// Closes the socket, and ends every wait on it with ``NetError`` `.closed`. Safe twice.
    ///
    /// Cancel safety: takes effect in any case.
    public func close() async {
        if bound.loop.isCurrent { return bound.value.close() }
        try? await bound.loop.hop { self.bound.value.close() }
    }

    private func onLoop<Success: Sendable>(_ body: @escaping @Sendable () async throws -> Success) async throws
        -> Success
    {
        if bound.loop.runsCurrentTask { return try await body() }
        return try await bound.loop.hop(body)
    }
}
