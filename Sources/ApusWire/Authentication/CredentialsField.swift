/// The values of `Authorization` that need no challenge.
package enum CredentialsField {
    /// RFC 7617, in UTF-8 (§2.1).
    ///
    /// - Throws: ``AuthenticationError`` `.invalidCredentials` for a colon in the user name, and control characters.
    package static func basic(user: String, password: String) throws(AuthenticationError) -> String {
        // RFC 7617 §2: what follows the first colon would become a part of the password.
        guard !user.utf8.contains(0x3A) else {
            throw AuthenticationError(
                .invalidCredentials,
                "A user name with “:” cannot be sent by Basic authentication: the server would take what follows for the password."
            )
        }
        try check(user, "user name")
        try check(password, "password")
        return "Basic \(Base64.encode("\(user):\(password)".utf8))"
    }

    /// RFC 6750 §2.1.
    ///
    /// - Throws: ``AuthenticationError`` `.invalidCredentials` for what is no token.
    package static func bearer(_ token: String) throws(AuthenticationError) -> String {
        guard !token.isEmpty, token.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            throw AuthenticationError(
                .invalidCredentials,
                token.isEmpty
                    ? "The bearer token is empty."
                    : "The bearer token has spaces, line breaks or letters outside of ASCII. Was it read with its line end?"
            )
        }
        return "Bearer \(token)"
    }

    // RFC 7617 §2: user-id and password must not contain control characters.
    package static func check(_ text: String, _ what: String) throws(AuthenticationError) {
        guard text.utf8.contains(where: { $0 < 0x20 || $0 == 0x7F }) else { return }
        throw AuthenticationError(
            .invalidCredentials,
            "The \(what) has a line break or another control character. Was it read with its line end?"
        )
    }
}
