/// The client's side of a SOCKS 5 conversation up to the connection, as a value: bytes in, bytes out (RFC 1928, RFC 1929).
///
/// Send ``output`` (and empty it), give what comes to ``receive(_:)``, until ``isConnected``. What the proxy refuses is refused at the
/// first byte that says so, however the bytes are cut.
package struct SOCKS5Client: Sendable {
    /// What the proxy is to connect to.
    package enum Destination: Sendable, Hashable {
        /// A name, which the proxy looks up.
        case name(String)
        /// Four bytes.
        case ipv4([UInt8])
        /// Sixteen bytes.
        case ipv6([UInt8])
    }

    private enum State: Sendable {
        case method, authentication, reply, connected
    }

    /// What is to be sent.
    package var output: [UInt8]
    /// What came behind the proxy's last word: bytes of the connection itself.
    package var remainder: [UInt8] { isConnected ? Array(input) : [] }
    /// Whether the connection stands.
    package var isConnected: Bool { state == .connected }

    private var state = State.method
    private var input: ArraySlice<UInt8> = []
    private let request: [UInt8]
    private let credentials: [UInt8]?

    private static let version: UInt8 = 5
    private static let noAuthentication: UInt8 = 0
    private static let password: UInt8 = 2
    private static let noneAcceptable: UInt8 = 0xFF
    private static let connect: UInt8 = 1

    /// - Parameters:
    ///   - username: 1 to 255 bytes; nil offers to go without.
    ///   - password: up to 255 bytes.
    /// - Throws: ``SOCKS5Error`` `.badDestination`, `.badCredentials`.
    package init(
        to destination: Destination,
        port: Int,
        username: String? = nil,
        password: String? = nil
    ) throws(SOCKS5Error) {
        request = try Self.request(destination, port)
        if let username {
            credentials = try Self.credentials(username, password ?? "")
            // RFC 1928 §3: VER NMETHODS METHODS. Who has credentials offers to go without them too: the proxy chooses.
            output = [Self.version, 2, Self.noAuthentication, Self.password]
        } else {
            credentials = nil
            output = [Self.version, 1, Self.noAuthentication]
        }
    }

    // RFC 1928 §4: VER CMD RSV ATYP DST.ADDR DST.PORT.
    private static func request(_ destination: Destination, _ port: Int) throws(SOCKS5Error) -> [UInt8] {
        guard let number = UInt16(exactly: port), number > 0 else {
            throw SOCKS5Error(.badDestination, "Port \(port) cannot be asked for: it must be 1...65535.")
        }
        var bytes: [UInt8] = [version, connect, 0]
        switch destination {
        case .name(let name):
            let text = Array(name.utf8)
            guard (1...255).contains(text.count), !text.contains(0) else {
                throw SOCKS5Error(.badDestination, "A SOCKS proxy can be asked for names of 1 to 255 bytes only.")
            }
            bytes += [3, UInt8(text.count)] + text
        case .ipv4(let address):
            guard address.count == 4 else { throw SOCKS5Error(.badDestination, "An IPv4 address has four bytes.") }
            bytes += [1] + address
        case .ipv6(let address):
            guard address.count == 16 else { throw SOCKS5Error(.badDestination, "An IPv6 address has 16 bytes.") }
            bytes += [4] + address
        }
        return bytes + [UInt8(number >> 8), UInt8(number & 0xFF)]
    }

    // RFC 1929 §2: VER ULEN UNAME PLEN PASSWD.
    private static func credentials(_ username: String, _ password: String) throws(SOCKS5Error) -> [UInt8] {
        let (user, secret) = (Array(username.utf8), Array(password.utf8))
        guard (1...255).contains(user.count), secret.count <= 255 else {
            throw SOCKS5Error(
                .badCredentials,
                "SOCKS carries user names of 1 to 255 bytes and passwords of up to 255 bytes."
            )
        }
        return [1, UInt8(user.count)] + user + [UInt8(secret.count)] + secret
    }

    // MARK: Receiving

    /// Takes bytes from the proxy.
    ///
    /// - Throws: ``SOCKS5Error`` `.authenticationRequired`, `.refused`, `.malformed`. The conversation is over then.
    package mutating func receive(_ bytes: some Sequence<UInt8>) throws(SOCKS5Error) {
        input.append(contentsOf: bytes)
        while try advance() {}
    }

    /// What it means that the proxy has closed now.
    package var closed: SOCKS5Error {
        let place =
            switch state {
            case .method: "at the beginning"
            // RFC 1929 §2: a server that refuses closes, and some do so without their word.
            case .authentication: "when it was told the user name and password, which it may not like"
            case .reply, .connected: "before it said whether it is connected"
            }
        return SOCKS5Error(.closed, "The SOCKS proxy closed the connection \(place).")
    }

    /// Does the next step, if its bytes are there. Returns whether there may be another.
    private mutating func advance() throws(SOCKS5Error) -> Bool {
        switch state {
        case .method: try readMethod()
        case .authentication: try readAuthentication()
        case .reply: try readReply()
        case .connected: false
        }
    }

    // RFC 1928 §3: VER METHOD.
    private mutating func readMethod() throws(SOCKS5Error) -> Bool {
        guard let version = input.first else { return false }
        try Self.check(version)
        guard input.count >= 2 else { return false }
        let method = input[input.startIndex + 1]
        input.removeFirst(2)
        switch method {
        case Self.noAuthentication:
            output += request
            state = .reply
        case Self.password where credentials != nil:
            output += credentials ?? []
            state = .authentication
        case Self.noneAcceptable, Self.password:
            throw SOCKS5Error(
                .authenticationRequired,
                credentials == nil
                    ? "The SOCKS proxy wants a user name and password."
                    : "The SOCKS proxy accepts neither a user name and password nor to go without."
            )
        default:
            throw SOCKS5Error(.malformed, "The SOCKS proxy chose method \(method), which was not offered.")
        }
        return true
    }

    // RFC 1929 §2: VER STATUS, where VER is the negotiation's, 1. Some write SOCKS's own, 5.
    private mutating func readAuthentication() throws(SOCKS5Error) -> Bool {
        guard let version = input.first else { return false }
        guard version == 1 || version == Self.version else {
            throw SOCKS5Error(.malformed, "The SOCKS proxy answered the password with version \(version).")
        }
        guard input.count >= 2 else { return false }
        let status = input[input.startIndex + 1]
        input.removeFirst(2)
        guard status == 0 else {
            throw SOCKS5Error(.authenticationRequired, "The SOCKS proxy refused the user name and password.")
        }
        output += request
        state = .reply
        return true
    }

    // RFC 1928 §6: VER REP RSV ATYP BND.ADDR BND.PORT.
    private mutating func readReply() throws(SOCKS5Error) -> Bool {
        guard let version = input.first else { return false }
        try Self.check(version)
        let start = input.startIndex
        guard input.count >= 2 else { return false }
        // What follows a refusal is of no use, and not everybody sends it.
        guard input[start + 1] == 0 else { throw SOCKS5Error(reply: input[start + 1]) }
        guard input.count >= 4 else { return false }
        let addressLength: Int
        switch input[start + 3] {
        case 1: addressLength = 4
        case 4: addressLength = 16
        case 3:
            guard input.count >= 5 else { return false }
            addressLength = 1 + Int(input[start + 4])
        case let type: throw SOCKS5Error(.malformed, "The SOCKS proxy told an address of type \(type).")
        }
        let length = 4 + addressLength + 2
        guard input.count >= length else { return false }
        input.removeFirst(length)
        state = .connected
        return false
    }

    private static func check(_ version: UInt8) throws(SOCKS5Error) {
        guard version != Self.version else { return }
        let guess =
            switch version {
            case 0, 4: "it seems to speak SOCKS 4"
            case 0x48: "it seems to speak HTTP: is it an HTTP proxy?"
            case 0x15, 0x16: "it seems to speak TLS"
            default: "it is no SOCKS 5 proxy"
            }
        throw SOCKS5Error(.malformed, "What answers in place of a SOCKS proxy begins with byte \(version): \(guess).")
    }
}
