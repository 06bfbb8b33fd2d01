/// Why credentials cannot be used, or a server's challenge cannot be answered. Neither holds a secret.
package struct AuthenticationError: Error, Sendable, Hashable, CustomStringConvertible {
    /// Who has to act.
    package enum Code: Sendable, Hashable {
        /// The caller's user name, password or token cannot be sent.
        case invalidCredentials
        /// The server's challenge is broken, or asks for what is not known here.
        case unusableChallenge
        /// The file with credentials is not what it should be.
        case malformedNetrc
        /// This build, or this machine's library, lacks the hash.
        case hashUnavailable
    }

    package let code: Code
    package let message: String

    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    package var description: String { message }
}
