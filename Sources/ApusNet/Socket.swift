import CApus
import Glibc

/// The socket system calls: the only file of this target that makes them. Every descriptor is non-blocking and close-on-exec
/// from birth, and every `send` has MSG_NOSIGNAL: a broken pipe is an error, never the end of the process.
enum Socket {
    static func make(family: Int32) throws(NetError) -> Int32 {
        let type = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        let fd = socket(family, type, 0)
        guard fd >= 0 else { throw NetError(errno: errno, while: "Making a socket") }
        return fd
    }

    /// Returns true if the connection stands, false if it is under way.
    static func connect(_ fd: Int32, to address: SocketAddress) throws(NetError) -> Bool {
        while true {
            let result = address.withSockaddr { Glibc.connect(fd, $0, $1) }
            if result == 0 { return true }
            switch errno {
            case EINPROGRESS: return false
            case EINTR: continue
            default: throw NetError(errno: errno, while: "Connecting to \(address)")
            }
        }
    }

    static func pendingError(_ fd: Int32) -> Int32 {
        var code: Int32 = 0
        var length = socklen_t(4)
        return getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &length) == 0 ? code : errno
    }

    static func listen(_ address: SocketAddress, backlog: Int32, reusePort: Bool) throws(NetError) -> Int32 {
        let fd = try make(family: address.family)
        do throws(NetError) {
            if address.family != AF_UNIX { set(fd, SOL_SOCKET, SO_REUSEADDR, 1) }
            if reusePort { set(fd, SOL_SOCKET, SO_REUSEPORT, 1) }
            // One socket per address and family: an IPv6 socket that also takes IPv4 would collide with its sibling.
            if address.family == AF_INET6 { set(fd, Int32(IPPROTO_IPV6), IPV6_V6ONLY, 1) }
            guard address.withSockaddr({ bind(fd, $0, $1) }) == 0 else {
                throw NetError(errno: errno, while: "Binding \(address)")
            }
            guard Glibc.listen(fd, backlog) == 0 else { throw NetError(errno: errno, while: "Listening on \(address)") }
            return fd
        } catch {
            close(fd)
            throw error
        }
    }

    enum Accepted {
        case connection(Int32)
        case wouldBlock
        /// No descriptors or memory: the listener must pause.
        case exhausted(Int32)
        case failed(Int32)
    }

    static func accept(_ fd: Int32) -> Accepted {
        while true {
            let connection = apus_accept(fd, nil, nil)
            if connection >= 0 { return .connection(connection) }
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

    static func finishSending(_ fd: Int32) { shutdown(fd, Int32(SHUT_WR)) }

    /// Makes `close` send RST: for connections whose data nobody wants.
    static func abortOnClose(_ fd: Int32) {
        var option = linger(l_onoff: 1, l_linger: 0)
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
    }

    static func setNoDelay(_ fd: Int32) { set(fd, Int32(IPPROTO_TCP), TCP_NODELAY, 1) }

    static func close(_ fd: Int32) { Glibc.close(fd) }

    private static func set(_ fd: Int32, _ level: Int32, _ name: Int32, _ value: Int32) {
        var value = value
        setsockopt(fd, level, name, &value, socklen_t(MemoryLayout<Int32>.size))
    }
}
