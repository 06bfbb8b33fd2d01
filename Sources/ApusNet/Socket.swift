import CApus
import Glibc

/// The socket system calls: they are made here, and for datagrams in `Datagrams/DatagramCalls.swift`, and nowhere else in this target. Every descriptor is non-blocking and close-on-exec
/// from birth, and every `send` has MSG_NOSIGNAL: a broken pipe is an error, never the end of the process.
enum Socket {
    static func make(family: Int32, isDatagram: Bool = false) throws(NetError) -> Int32 {
        let kind = isDatagram ? SOCK_DGRAM : SOCK_STREAM
        let type = Int32(kind.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        let fd = socket(family, type, 0)
        guard fd >= 0 else { throw NetError(errno: errno, while: "Making a socket") }
        return fd
    }

    /// Sets up a socket that is to be connected.
    static func apply(_ options: SocketOptions, to fd: Int32, family: Int32) throws(NetError) {
        if let size = options.sendBufferSize { set(fd, SOL_SOCKET, SO_SNDBUF, Int32(clamping: size)) }
        if let size = options.receiveBufferSize { set(fd, SOL_SOCKET, SO_RCVBUF, Int32(clamping: size)) }
        guard family != AF_UNIX else { return }
        apply(noDelay: options.noDelay, keepAlive: options.keepAlive, to: fd)
        if let interface = options.interface {
            let name = Array(interface.utf8CString)
            guard setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, socklen_t(name.count)) == 0 else {
                throw NetError(errno: errno, while: "Binding to the interface “\(interface)”")
            }
        }
        // Addresses of the other family are reached from any address: a name has both, and the caller can state one.
        guard let local = options.localAddress, local.family == family else { return }
        // Port 0 is chosen at connect(2), when the other end is known: more connections than ports are possible then (ip(7)).
        if local.port == 0 { set(fd, Int32(IPPROTO_IP), IP_BIND_ADDRESS_NO_PORT, 1) }
        set(fd, SOL_SOCKET, SO_REUSEADDR, 1)
        guard local.withSockaddr({ bind(fd, $0, $1) }) == 0 else {
            throw NetError(errno: errno, while: "Binding \(local), to connect from there", at: local)
        }
    }

    /// What connections have on either side.
    static func apply(noDelay: Bool, keepAlive: SocketOptions.KeepAlive?, to fd: Int32) {
        if noDelay { setNoDelay(fd) }
        guard let keepAlive else { return }
        func seconds(_ duration: Duration) -> Int32 { Int32(clamping: max(1, duration.components.seconds)) }
        set(fd, SOL_SOCKET, SO_KEEPALIVE, 1)
        set(fd, Int32(IPPROTO_TCP), TCP_KEEPIDLE, seconds(keepAlive.idle))
        set(fd, Int32(IPPROTO_TCP), TCP_KEEPINTVL, seconds(keepAlive.interval))
        set(fd, Int32(IPPROTO_TCP), TCP_KEEPCNT, Int32(clamping: max(1, keepAlive.count)))
    }

    /// Which sockets may be adopted.
    enum Families {
        case internet
        case unix
    }

    /// Makes a socket that came from elsewhere one of ours.
    ///
    /// - Throws: ``NetError`` `.invalidArgument` if it is no stream socket of these families, or listens where it should be connected, or the reverse. It is
    ///   closed then.
    static func adopt(_ fd: Int32, families: Families, isListening: Bool) throws(NetError) {
        do throws(NetError) {
            guard fcntl(fd, F_GETFD) >= 0 else {
                throw NetError(.invalidArgument, "Descriptor \(fd) is not open: it cannot be adopted.")
            }
            guard get(fd, SOL_SOCKET, SO_TYPE) == Int32(SOCK_STREAM.rawValue) else {
                throw NetError(
                    .invalidArgument,
                    "Descriptor \(fd) is not a stream socket: it cannot be adopted as one."
                )
            }
            let family = get(fd, SOL_SOCKET, SO_DOMAIN)
            guard families == .unix ? family == AF_UNIX : family == AF_INET || family == AF_INET6 else {
                throw NetError(
                    .invalidArgument,
                    "Descriptor \(fd) is a socket of another family (\(family ?? -1)) than \(families == .unix ? "Unix" : "TCP")."
                )
            }
            guard (get(fd, SOL_SOCKET, SO_ACCEPTCONN) == 1) == isListening else {
                throw NetError(
                    .invalidArgument,
                    isListening
                        ? "Socket \(fd) does not listen." : "Socket \(fd) listens: adopt it as a listener."
                )
            }
            guard isListening || SocketAddress(of: fd, getpeername) != nil else {
                throw NetError(.invalidArgument, "Socket \(fd) is not connected.")
            }
            guard fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) == 0,
                fcntl(fd, F_SETFD, fcntl(fd, F_GETFD) | FD_CLOEXEC) == 0
            else { throw NetError(errno: errno, while: "Setting the flags of descriptor \(fd)") }
        } catch {
            close(fd)
            throw error
        }
    }

    /// Makes a listening socket that came from elsewhere one of ours: see ``adopt(_:families:isListening:)``.
    ///
    /// - Returns: where it listens.
    static func adoptListening(_ fd: Int32, families: Families) throws(NetError) -> SocketAddress {
        try adopt(fd, families: families, isListening: true)
        if let address = SocketAddress(of: fd, getsockname) { return address }
        close(fd)
        throw NetError(.invalidArgument, "Socket \(fd) has no address.")
    }

    /// An option's value, or nil for what is no socket.
    static func get(_ fd: Int32, _ level: Int32, _ name: Int32) -> Int32? {
        var value: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        return getsockopt(fd, level, name, &value, &length) == 0 ? value : nil
    }

    /// Returns true if the connection stands, false if it is under way.
    static func connect(_ fd: Int32, to address: SocketAddress) throws(NetError) -> Bool {
        while true {
            let result = address.withSockaddr { Glibc.connect(fd, $0, $1) }
            if result == 0 { return true }
            switch errno {
            case EINPROGRESS: return false
            case EINTR: continue
            default: throw NetError(errno: errno, while: "Connecting to \(address)", at: address)
            }
        }
    }

    /// Two connected Unix sockets.
    static func pair() throws(NetError) -> (Int32, Int32) {
        var fds: [Int32] = [-1, -1]
        let type = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        guard socketpair(AF_UNIX, type, 0, &fds) == 0 else {
            throw NetError(errno: errno, while: "Making a pair of Unix sockets")
        }
        return (fds[0], fds[1])
    }

    static func peerCredentials(_ fd: Int32) throws(NetError) -> UnixStream.PeerCredentials {
        // `struct ucred` (unix(7)): pid, uid, gid. Swift's Glibc does not import it: it is behind _GNU_SOURCE.
        var raw: (Int32, UInt32, UInt32) = (0, 0, 0)
        var length = socklen_t(MemoryLayout.size(ofValue: raw))
        guard getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &raw, &length) == 0 else {
            throw NetError(errno: errno, while: "Asking who is at the other end of a Unix socket")
        }
        return UnixStream.PeerCredentials(processID: raw.0, userID: raw.1, groupID: raw.2)
    }

    static func pendingError(_ fd: Int32) -> Int32 {
        var code: Int32 = 0
        var length = socklen_t(4)
        return getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &length) == 0 ? code : errno
    }

    /// - Parameter permissions: of a Unix socket's file.
    static func listen(
        _ address: SocketAddress,
        backlog: Int32,
        reusePort: Bool,
        permissions: Int? = nil
    ) throws(NetError) -> Int32 {
        let fd = try make(family: address.family)
        do throws(NetError) {
            if address.family != AF_UNIX { set(fd, SOL_SOCKET, SO_REUSEADDR, 1) }
            if reusePort { set(fd, SOL_SOCKET, SO_REUSEPORT, 1) }
            // One socket per address and family: an IPv6 socket that also takes IPv4 would collide with its sibling.
            if address.family == AF_INET6 { set(fd, Int32(IPPROTO_IPV6), IPV6_V6ONLY, 1) }
            // Before bind(2), which makes the file with these (less the umask): it is never open to more than it should be.
            if let permissions { fchmod(fd, mode_t(permissions & 0o777)) }
            guard address.withSockaddr({ bind(fd, $0, $1) }) == 0 else {
                throw NetError(errno: errno, while: "Binding \(address)", at: address)
            }
            do throws(NetError) {
                if let permissions, let path = address.path, chmod(path, mode_t(permissions & 0o777)) != 0 {
                    throw NetError(errno: errno, while: "Setting the permissions of \(address)", at: address)
                }
                guard Glibc.listen(fd, backlog) == 0 else {
                    throw NetError(errno: errno, while: "Listening on \(address)", at: address)
                }
            } catch {
                // bind(2) has made the file.
                if let path = address.path { unlink(path) }
                throw error
            }
            return fd
        } catch {
            close(fd)
            throw error
        }
    }

    enum Accepted {
        case connection(Int32, SocketAddress?)
        case wouldBlock
        /// No descriptors or memory: the listener must pause.
        case exhausted(Int32)
        case failed(Int32)
    }

    static func accept(_ fd: Int32) -> Accepted {
        var buffer = sockaddr_storage()
        while true {
            var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
            let connection = withUnsafeMutablePointer(to: &buffer) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { apus_accept(fd, $0, &length) }
            }
            if connection >= 0 {
                let peer = withUnsafePointer(to: &buffer) {
                    $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { SocketAddress($0, length: length) }
                }
                return .connection(connection, peer)
            }
            switch errno {
            case EAGAIN: return .wouldBlock
            // The connection went away while it waited in the backlog (accept(2) lists these).
            case EINTR, ECONNABORTED, EPROTO, ENETDOWN, ENOPROTOOPT, EHOSTDOWN, EHOSTUNREACH, EOPNOTSUPP, ENETUNREACH:
                continue
            case EMFILE, ENFILE, ENOBUFS, ENOMEM: return .exhausted(errno)
            default: return .failed(errno)
            }
        }
    }

    /// Bytes received, 0 at the end, or -errno.
    @inline(__always)
    static func receive(_ fd: Int32, into buffer: UnsafeMutableRawBufferPointer) -> Int {
        while true {
            let count = recv(fd, buffer.baseAddress, buffer.count, 0)
            if count >= 0 { return count }
            if errno != EINTR { return -Int(errno) }
        }
    }

    /// Bytes sent, or -errno.
    @inline(__always)
    static func send(_ fd: Int32, _ buffer: UnsafeRawBufferPointer) -> Int {
        while true {
            let count = Glibc.send(fd, buffer.baseAddress, buffer.count, Int32(MSG_NOSIGNAL))
            if count >= 0 { return count }
            if errno != EINTR { return -Int(errno) }
        }
    }

    /// Bytes sent of all pieces together, or -errno. sendmsg(2) and not writev(2), which would raise SIGPIPE.
    static func send(_ fd: Int32, vector pieces: [UnsafeRawBufferPointer]) -> Int {
        withUnsafeTemporaryAllocation(of: iovec.self, capacity: max(1, pieces.count)) { vector in
            for (index, piece) in pieces.enumerated() {
                let base = UnsafeMutableRawPointer(mutating: piece.baseAddress)
                vector.initializeElement(at: index, to: iovec(iov_base: base, iov_len: piece.count))
            }
            var message = msghdr()
            message.msg_iov = vector.baseAddress
            message.msg_iovlen = pieces.count
            while true {
                let count = sendmsg(fd, &message, Int32(MSG_NOSIGNAL))
                if count >= 0 { return count }
                if errno != EINTR { return -Int(errno) }
            }
        }
    }

    /// Bytes sent of a file, or -errno. SIGPIPE, which sendfile(2) raises, is ignored in processes with a loop.
    static func sendFile(_ fd: Int32, from file: Int32, at offset: Int64, count: Int) -> Int {
        var position = off_t(offset)
        while true {
            let sent = sendfile(fd, file, &position, count)
            if sent >= 0 { return sent }
            if errno != EINTR { return -Int(errno) }
        }
    }

    static func finishSending(_ fd: Int32) { shutdown(fd, Int32(SHUT_WR)) }

    /// Makes `close` send RST: for connections whose data nobody wants.
    static func abortOnClose(_ fd: Int32) {
        var option = linger(l_onoff: 1, l_linger: 0)
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
    }

    static func setNoDelay(_ fd: Int32) { set(fd, Int32(IPPROTO_TCP), TCP_NODELAY, 1) }

    static func close(_ fd: Int32) { Glibc.close(fd) }

    static func set(_ fd: Int32, _ level: Int32, _ name: Int32, _ value: Int32) {
        var value = value
        setsockopt(fd, level, name, &value, socklen_t(MemoryLayout<Int32>.size))
    }
}
