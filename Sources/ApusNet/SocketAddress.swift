import CApus
import Glibc

/// Where a socket is, or what it connects to: an IPv4 or IPv6 address with a port, or a Unix socket's path or abstract
/// name.
public struct SocketAddress: Sendable, Hashable, CustomStringConvertible {
    private enum Storage: Hashable, Sendable {
        case ipv4(UInt32, UInt16)
        case ipv6(UInt64, UInt64, UInt16, scope: UInt32)
        case unix(String)
        /// A name of Linux's abstract namespace, without the NUL before it.
        case abstract([UInt8])
    }

    private var storage: Storage

    /// An address in figures, such as `127.0.0.1`, `::1` or `fe80::1%eth0`. No name lookup.
    ///
    /// - Throws: ``NetError`` `.invalidAddress` if `address` is a name, or the port is not in 0...65535.
    public init(_ address: String, port: Int) throws(NetError) {
        guard let number = UInt16(exactly: port) else {
            throw NetError(.invalidAddress, "Port \(port) is not in 0...65535.")
        }
        var v4 = in_addr()
        let isVersion4: Bool? = address.withCString {
            // C would not see what follows a NUL.
            strlen($0) == address.utf8.count ? inet_pton(AF_INET, $0, &v4) == 1 : nil
        }
        guard let isVersion4 else { throw Self.notAnAddress(address) }
        if isVersion4 {
            storage = .ipv4(UInt32(bigEndian: v4.s_addr), number)
            return
        }
        let parts = address.split(separator: "%", maxSplits: 1, omittingEmptySubsequences: false)
        var v6 = in6_addr()
        if let figures = parts.first, inet_pton(AF_INET6, String(figures), &v6) == 1 {
            var scope: UInt32 = 0
            if parts.count == 2 {
                scope = UInt32(parts[1]) ?? if_nametoindex(String(parts[1]))
                guard scope != 0 else {
                    throw NetError(.invalidAddress, "“\(address)” names an interface that this machine does not have.")
                }
            }
            storage = Self.ipv6(v6, port: number, scope: scope)
            return
        }
        throw Self.notAnAddress(address)
    }

    private static func notAnAddress(_ text: String) -> NetError {
        NetError(
            .invalidAddress,
            "“\(text.prefix(64))” is not an IPv4 or IPv6 address. Names go through the resolver."
        )
    }

    /// A Unix socket's path.
    ///
    /// - Throws: ``NetError`` `.invalidAddress` if the path does not fit in a socket address (107 bytes).
    public init(unixPath path: String) throws(NetError) {
        guard path.utf8.count < 108, !path.isEmpty, !path.utf8.contains(0) else {
            throw NetError(
                .invalidAddress,
                "“\(path)” cannot name a Unix socket: it must have 1 to 107 bytes and no NUL."
            )
        }
        storage = .unix(path)
    }

    /// A Unix socket's name in Linux's abstract namespace (unix(7)): no file, and gone with its last socket. Any process of the network namespace
    /// may connect, whatever its user: ask for ``UnixStream/peerCredentials()``.
    ///
    /// - Parameter name: 1 to 107 bytes, without the NUL that makes it abstract.
    /// - Throws: ``NetError`` `.invalidAddress`.
    public init(unixAbstractName name: String) throws(NetError) {
        guard (1...107).contains(name.utf8.count) else {
            throw NetError(.invalidAddress, "“\(name)” cannot name a Unix socket: it must have 1 to 107 bytes.")
        }
        storage = .abstract(Array(name.utf8))
    }

    private static func ipv6(_ address: in6_addr, port: UInt16, scope: UInt32) -> Storage {
        let halves = withUnsafeBytes(of: address) {
            ($0.loadUnaligned(as: UInt64.self), $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
        }
        return .ipv6(UInt64(bigEndian: halves.0), UInt64(bigEndian: halves.1), port, scope: scope)
    }

    /// The loopback address of IPv4.
    public static func loopback(port: Int) throws(NetError) -> SocketAddress {
        try SocketAddress("127.0.0.1", port: port)
    }

    /// The port, or nil for a Unix socket.
    public var port: Int? {
        switch storage {
        case .ipv4(_, let port), .ipv6(_, _, let port, _): Int(port)
        case .unix, .abstract: nil
        }
    }

    /// The path, if this is a Unix socket with one.
    var path: String? {
        if case .unix(let path) = storage, !path.isEmpty { path } else { nil }
    }

    /// The address in figures, without the port; a Unix socket's path, empty for one without a name, or its abstract name behind an `@`.
    public var host: String {
        switch storage {
        case .ipv4(let address, _):
            return "\(address >> 24).\(address >> 16 & 255).\(address >> 8 & 255).\(address & 255)"
        case .ipv6(let high, let low, _, let scope):
            var bytes = (high.bigEndian, low.bigEndian)
            var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
            inet_ntop(AF_INET6, &bytes, &text, socklen_t(text.count))
            let figures = text.withUnsafeBufferPointer { $0.baseAddress.map { String(cString: $0) } ?? "" }
            return scope == 0 ? figures : "\(figures)%\(scope)"
        case .unix(let path):
            return path
        case .abstract(let name):
            return "@" + String(decoding: name, as: UTF8.self)
        }
    }

    public var description: String {
        switch storage {
        case .ipv4: "\(host):\(port ?? 0)"
        case .ipv6: "[\(host)]:\(port ?? 0)"
        case .unix, .abstract: "unix:\(host)"
        }
    }

    /// The same address with another port; a Unix socket's path as it is.
    func with(port: Int) -> SocketAddress {
        var copy = self
        let number = UInt16(truncatingIfNeeded: port)
        switch storage {
        case .ipv4(let address, _): copy.storage = .ipv4(address, number)
        case .ipv6(let high, let low, _, let scope): copy.storage = .ipv6(high, low, number, scope: scope)
        case .unix, .abstract: break
        }
        return copy
    }

    /// The IPv4 address that an IPv6 socket shows as `::ffff:192.0.2.1` (RFC 4291 §2.5.5.2); any other address as it is.
    var unmapped: SocketAddress {
        guard case .ipv6(0, let low, let port, _) = storage, low >> 32 == 0xFFFF else { return self }
        var copy = self
        copy.storage = .ipv4(UInt32(truncatingIfNeeded: low), port)
        return copy
    }

    /// Of an IP address; nil for a Unix socket.
    public var addressFamily: AddressFamily? {
        switch storage {
        case .ipv4: .ipv4
        case .ipv6: .ipv6
        case .unix, .abstract: nil
        }
    }

    /// The bits of an IPv4 address, the first octet on top; nil for another family.
    var ipv4Bits: UInt32? { if case .ipv4(let bits, _) = storage { bits } else { nil } }

    /// The halves of an IPv6 address; nil for another family.
    var ipv6Bits: (high: UInt64, low: UInt64)? {
        if case .ipv6(let high, let low, _, _) = storage { (high, low) } else { nil }
    }

    var isIPv6: Bool { if case .ipv6 = storage { true } else { false } }

    /// Whether this is an address of a group (RFC 1112 §4, RFC 4291 §2.7).
    var isMulticast: Bool {
        switch storage {
        case .ipv4(let address, _): address >> 28 == 0xE
        case .ipv6(let high, _, _, _): high >> 56 == 0xFF
        case .unix, .abstract: false
        }
    }

    /// AF_INET, AF_INET6 or AF_UNIX.
    var family: Int32 {
        switch storage {
        case .ipv4: AF_INET
        case .ipv6: AF_INET6
        case .unix, .abstract: AF_UNIX
        }
    }

    // MARK: The system's form

    func withSockaddr<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
        var buffer = sockaddr_storage()
        let length: Int
        switch storage {
        case .ipv4(let address, let port):
            var raw = sockaddr_in()
            raw.sin_family = sa_family_t(AF_INET)
            raw.sin_port = port.bigEndian
            raw.sin_addr.s_addr = address.bigEndian
            length = MemoryLayout<sockaddr_in>.size
            withUnsafeMutableBytes(of: &buffer) { $0.storeBytes(of: raw, as: sockaddr_in.self) }
        case .ipv6(let high, let low, let port, let scope):
            var raw = sockaddr_in6()
            raw.sin6_family = sa_family_t(AF_INET6)
            raw.sin6_port = port.bigEndian
            raw.sin6_scope_id = scope
            withUnsafeMutableBytes(of: &raw.sin6_addr) {
                $0.storeBytes(of: high.bigEndian, as: UInt64.self)
                $0.storeBytes(of: low.bigEndian, toByteOffset: 8, as: UInt64.self)
            }
            length = MemoryLayout<sockaddr_in6>.size
            withUnsafeMutableBytes(of: &buffer) { $0.storeBytes(of: raw, as: sockaddr_in6.self) }
        case .unix(let path):
            length = MemoryLayout<sa_family_t>.size + path.utf8.count + 1
            withUnsafeMutableBytes(of: &buffer) {
                $0.storeBytes(of: sa_family_t(AF_UNIX), as: sa_family_t.self)
                $0[MemoryLayout<sa_family_t>.size...].copyBytes(from: path.utf8)
            }
        case .abstract(let name):
            // Its length says where the name ends: there is no NUL behind it.
            length = MemoryLayout<sa_family_t>.size + 1 + name.count
            withUnsafeMutableBytes(of: &buffer) {
                $0.storeBytes(of: sa_family_t(AF_UNIX), as: sa_family_t.self)
                $0[(MemoryLayout<sa_family_t>.size + 1)...].copyBytes(from: name)
            }
        }
        return withUnsafePointer(to: &buffer) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(length)) }
        }
    }

    /// Nil for a family that Apus does not know.
    init?(_ pointer: UnsafePointer<sockaddr>, length: socklen_t) {
        let raw = UnsafeRawPointer(pointer)
        switch Int32(pointer.pointee.sa_family) {
        case AF_INET where length >= MemoryLayout<sockaddr_in>.size:
            let value = raw.loadUnaligned(as: sockaddr_in.self)
            storage = .ipv4(UInt32(bigEndian: value.sin_addr.s_addr), UInt16(bigEndian: value.sin_port))
        case AF_INET6 where length >= MemoryLayout<sockaddr_in6>.size:
            let value = raw.loadUnaligned(as: sockaddr_in6.self)
            storage = Self.ipv6(value.sin6_addr, port: UInt16(bigEndian: value.sin6_port), scope: value.sin6_scope_id)
        case AF_UNIX:
            let offset = MemoryLayout<sa_family_t>.size
            let bytes = UnsafeRawBufferPointer(start: raw + offset, count: max(0, Int(length) - offset))
            if bytes.count > 1, bytes[0] == 0 {
                storage = .abstract(Array(bytes.dropFirst()))
            } else {
                storage = .unix(String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self))
            }
        default:
            return nil
        }
    }

    /// What getsockname or getpeername (as `call`) says of `fd`.
    init?(of fd: Int32, _ call: (Int32, UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> Int32) {
        var buffer = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let result: SocketAddress? = withUnsafeMutablePointer(to: &buffer) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                call(fd, $0, &length) == 0 ? SocketAddress($0, length: length) : nil
            }
        }
        guard let result else { return nil }
        self = result
    }
}
