import Glibc

/// One call of getaddrinfo(3) or getnameinfo(3). They block.
enum SystemQuery {
    /// The addresses of `host` with port 0, in the system's order (RFC 6724).
    static func addresses(of host: String) throws(NetError) -> [SocketAddress] {
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
                !result.contains(address)
            {
                result.append(address)
            }
            next = entry.pointee.ai_next
        }
        guard !result.isEmpty else { throw NetError(.unknownHost, "“\(host)” has no addresses.") }
        return result
    }

    /// The name of an IP address.
    static func hostName(of address: SocketAddress) throws(NetError) -> String {
        // NI_MAXHOST, which glibc hides.
        var buffer = [CChar](repeating: 0, count: 1025)
        let (code, reason) = address.withSockaddr { raw, length in
            let code = getnameinfo(raw, length, &buffer, socklen_t(buffer.count), nil, 0, NI_NAMEREQD)
            return (code, errno)
        }
        guard code == 0 else {
            let text = code == EAI_SYSTEM ? UnsafePointer(strerror(reason)) : gai_strerror(code)
            throw NetError(
                code == EAI_NONAME ? .unknownHost : .nameLookupFailed,
                "Looking up the name of \(address.host): \(text.map { String(cString: $0) } ?? "error \(code)")"
            )
        }
        return String(decoding: buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}
