import ApusWire
import HTTPTypes

extension ClientSession {
    /// Puts a request's credentials where they belong: those that need no challenge into its fields, so that they go where fields go.
    ///
    /// - Parameters:
    ///   - uri: loses its userinfo, which nothing shows or sends from here on.
    ///   - fields: the request's own.
    /// - Returns: what is left to be done when the request is sent.
    /// - Throws: ``ClientError`` `.invalidRequest`.
    @inline(never)
    func applyCredentials(
        _ auth: Authentication?,
        _ uri: inout URI,
        _ fields: inout HTTPFields,
        _ method: HTTPRequest.Method
    ) throws -> ExchangeAuthentication? {
        let user = uri.user
        let password = uri.password
        let given = uri.withoutUserinfo
        uri = given
        func mistake(_ message: String) -> ClientError {
            ClientError(.invalidRequest, message, method: method, uri: given)
        }
        if fields[.authorization] != nil {
            throw mistake(
                "The request has a header Authorization, and other credentials too: \(auth == nil ? "those in its URL" : "the argument `auth:`"). "
                    + "Leave one out."
            )
        }
        do throws(AuthenticationError) {
            guard let auth else {
                // `http://ada@host/`: the password may be in the file.
                if password == nil, configuration.netrc != nil { return ExchangeAuthentication(login: user ?? "") }
                fields[.authorization] = try CredentialsField.basic(user: user ?? "", password: password ?? "")
                return nil
            }
            switch auth.kind {
            case .anonymous: return ExchangeAuthentication()
            case _ where user != nil:
                throw AuthenticationError(
                    .invalidCredentials,
                    "The request has credentials both in its URL and as `auth:`. Leave one out."
                )
            case .digest(let credentials): return ExchangeAuthentication(digest: credentials)
            case .basic, .bearer:
                fields[.authorization] = try auth.fieldValue()
                return nil
            }
        } catch {
            throw mistake(error.message)
        }
    }
}
