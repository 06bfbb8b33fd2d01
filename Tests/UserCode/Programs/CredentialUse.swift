// Credentials, as a user gives them to requests and sessions.

import Apus

enum CredentialUse {
    static func run(_ base: String) async throws {
        let who = "\(base)/who"
        try await ClientSession.with { session in
            let basic = try await session.get(who, auth: .basic("ada", "pw")).text()
            try expect(basic == "Basic YWRhOnB3", "Basic")
            let bearer = try await session.get(who, auth: .bearer("token")).text()
            try expect(bearer == "Bearer token", "Bearer")
            let digest = try await session.get("\(base)/digest", auth: .digest("ada", "pw"))
            try expect(digest.status == .ok, "Digest")
            let inURL = try await session.get(who.replacing("://", with: "://ada:pw@"))
            try expect(inURL.uri.user == nil, "userinfo is gone")
            try expect(try await inURL.text() == basic, "userinfo")
            let scoped = try await session.get(who, auth: .anonymous) { try await $0.text() }
            try expect(scoped == "nobody", "anonymous")
            do {
                _ = try await session.get(who, headers: ["Authorization": "x"], auth: .basic("a", "b"))
                throw Unexpected(description: "two kinds at a time")
            } catch let error as ClientError {
                try expect(error.code == .invalidRequest && error.code != .authenticationFailed, "two kinds")
            }
        }
        let fetched = try await fetch(who, auth: .bearer("token")).text()
        try expect(fetched == "Bearer token", "without a session")
        try await sessions(base)
    }

    private static func sessions(_ base: String) async throws {
        var configuration = ClientSession.Configuration()
        configuration.baseURL = try URI("\(base)/")
        configuration.auth = .digest("ada", "pw")
        configuration.netrc = .environment
        try await ClientSession.with(configuration) { session in
            try expect(try await session.get("digest").status == .ok, "a session's own")
        }
        configuration.auth = nil
        configuration.netrc = .path("no-such-file")
        let tokens = TokenRefresh(origins: [try URI(base).origin], initial: nil) { rejected in
            AccessToken(rejected == nil ? "first" : "next", lifetime: .seconds(3600))
        }
        configuration.middleware = [tokens]
        try await ClientSession.with(configuration) { session in
            try expect(try await session.get("who").text() == "Bearer first", "a token")
        }
    }
}
