/// One challenge of `WWW-Authenticate` or `Proxy-Authenticate` (RFC 9110 §11.3).
package struct AuthenticationChallenge: Sendable, Hashable {
    /// In lower case.
    package var scheme: String
    /// Names in lower case, in their order, as often as they occur.
    package var parameters: [Parameter] = []
    /// What stands in the place of parameters, such as `YII=` behind `Negotiate`.
    package var token68: String?

    /// `name=value`.
    package struct Parameter: Sendable, Hashable {
        package var name: String
        package var value: String
    }

    /// The first parameter of that name, given in lower case.
    package subscript(name: String) -> String? { parameters.first { $0.name == name }?.value }

    /// More challenges than this are not looked at: no server has so many.
    package static let maximumCount = 32

    // RFC 9110 §11.6.1: WWW-Authenticate = #challenge; challenge = auth-scheme [ 1*SP ( token68 / #auth-param ) ]. The commas of the two
    // lists look alike: a token followed by "=" continues the challenge before, any other begins the next.
    /// The challenges of all lines of the field. What is none is passed over.
    package static func parse(_ lines: [String]) -> [AuthenticationChallenge] {
        var found: [AuthenticationChallenge] = []
        for line in lines {
            var scanner = HeaderScanner(line)
            // A line is a list by itself: its parameters do not belong to a challenge of the line before.
            var current: AuthenticationChallenge?
            while !scanner.isAtEnd, found.count < maximumCount {
                scanner.skipSpace()
                if scanner.take(0x2C) { continue }
                if let parameter = takeParameter(&scanner) {
                    current?.parameters.append(parameter)
                } else if let scheme = scanner.takeToken() {
                    if let current { found.append(current) }
                    current = AuthenticationChallenge(scheme: HeaderScanner.lowercased(scheme))
                    current?.token68 = takeToken68(&scanner)
                    continue
                }
                scanner.skipTo { $0 == 0x2C }
            }
            if let current, found.count < maximumCount { found.append(current) }
        }
        return found
    }

    // RFC 9110 §11.2: auth-param = token BWS "=" BWS ( token / quoted-string ).
    private static func takeParameter(_ scanner: inout HeaderScanner) -> Parameter? {
        var ahead = scanner
        guard let name = ahead.takeToken() else { return nil }
        ahead.skipSpace()
        guard ahead.take(0x3D) else { return nil }
        ahead.skipSpace()
        defer { scanner = ahead }
        if ahead.current == 0x22 {
            let (text, isComplete) = ahead.takeQuoted()
            // What is cut off may be anything; better none than half of a nonce.
            return Parameter(name: HeaderScanner.lowercased(name), value: isComplete ? text : "")
        }
        // Some servers send values without quotes that need them, such as `domain=/a`.
        let value = ahead.takeUntil { $0 == 0x2C || $0 == 0x20 || $0 == 0x09 }
        return Parameter(name: HeaderScanner.lowercased(name), value: String(decoding: value, as: UTF8.self))
    }

    // RFC 9110 §11.2: token68 = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"=".
    private static func takeToken68(_ scanner: inout HeaderScanner) -> String? {
        var ahead = scanner
        guard ahead.take(0x20) else { return nil }
        ahead.skipSpace()
        var token = Array(ahead.takeUntil { !isToken68($0) })
        guard !token.isEmpty else { return nil }
        token += ahead.takeUntil { $0 != 0x3D }
        ahead.skipSpace()
        guard ahead.isAtEnd || ahead.current == 0x2C else { return nil }
        scanner = ahead
        return String(decoding: token, as: UTF8.self)
    }

    private static func isToken68(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F, 0x7E, 0x2B, 0x2F: true
        default: false
        }
    }
}
