// What a user writes with cookies: a jar of a session's own, one that is shared and kept in a file, and a request's.

import Apus

enum CookieUse {
    static func run(_ base: String) async throws {
        let jar = CookieJar(secureOrigins: [try URI(base).origin], publicSuffixes: .system)
        var configuration = ClientSession.Configuration()
        configuration.cookieJar = jar
        try await ClientSession.with(configuration) { session in
            let response = try await session.get("\(base)/cookie")
            let set: SetCookie? = response.cookies.first { $0.name == "seen" }
            try expect(set?.value == "1" && set?.path == nil, "what the server has set")
            let again = try await session.get("\(base)/cookie", cookies: ["own": "2"]).text()
            try expect(again == "seen=1; own=2", "what goes back: \(again)")
        }
        try expect(jar.map(\.name) == ["seen"] && jar.count == 1, "what is kept: \(jar)")
        try jar.store("other=1; Path=/x; Max-Age=60; HttpOnly; SameSite=Strict", from: "\(base)/x/y")
        try jar.set(["theme": "dark"], for: base)
        let found: [Cookie] = try jar.cookies(for: "\(base)/x")
        try expect(found.map(\.name) == ["other", "seen", "theme"], "what goes with a path")
        try expect(found.first?.sameSite == .strict && found.first?.expires != nil, "attributes")
        jar.removeAll { $0.name == "other" }
        jar.removeAll(domain: "example.com")
        try expect(jar.count == 2, "what is left")
        do {
            try await jar.load(from: "/nonexistent/cookies.json")
            throw Unexpected(description: "there is no such file")
        } catch let error as ClientError where error.code == .fileFailed {}
        jar.removeAll()
        try expect(jar.isEmpty, "nothing is left")

        configuration.cookieJar = .disabled
        try await ClientSession.with(configuration) { session in
            _ = try await session.get("\(base)/cookie").bytes()
            let page = try URI("https://shop.example/")
            let options = RequestOptions(siteForCookies: page, isNavigation: true)
            let text = try await session.get("\(base)/cookie", options: options).text()
            try expect(text == "-" && session.cookieJar.isEmpty, "a session without cookies")
        }
    }
}
