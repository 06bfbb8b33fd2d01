import Apus
import Foundation

extension Scenes {
    private static let user = "ada"
    private static let password = "pass:w rd"

    /// Basic, Bearer and Digest, against what servers and curl make of them.
    func authentication() async throws {
        let httpbin = try peer("httpbin")
        let name = Self.user
        let account = "\(name):pass"
        for path in ["basic-auth/\(name)/pass", "hidden-basic-auth/\(name)/pass"] {
            await table.same("httpbin: /\(path)", "\(httpbin)/\(path)", curl: ["-u", account]) {
                try await $0.get($1, auth: .basic(name, "pass"))
            }
            await table.same("httpbin: /\(path), wrong password", "\(httpbin)/\(path)", curl: ["-u", "\(name):x"]) {
                try await $0.get($1, auth: .basic(name, "x"))
            }
        }
        await table.check("httpbin: name and password in the URL") {
            let url = "\(httpbin)/basic-auth/\(name)/pass".replacing("://", with: "://\(account)@")
            let response = try await table.session.get(url)
            try table.expect(response.status == .ok, "\(response.status)")
        }
        await table.same("httpbin: /bearer", "\(httpbin)/bearer", curl: ["-H", "Authorization: Bearer t0k.en"]) {
            try await $0.get($1, auth: .bearer("t0k.en"))
        }
        for qop in ["auth", "auth-int", "none"] {
            for algorithm in ["MD5", "SHA-256", "SHA-512"] {
                let url = "\(httpbin)/digest-auth/\(qop)/\(name)/pass/\(algorithm)"
                // curl speaks neither.
                if qop == "auth-int" || algorithm == "SHA-512" {
                    await digest("httpbin: digest, \(qop), \(algorithm)", url, .digest(name, "pass"), 200)
                } else {
                    await table.same(
                        "httpbin: digest, \(qop), \(algorithm)",
                        url,
                        curl: ["--digest", "-u", account],
                        comparesRedirects: false
                    ) {
                        try await $0.get($1, auth: .digest(name, "pass"))
                    }
                }
                await digest("httpbin: digest, \(qop), \(algorithm), wrong", url, .digest(name, "x"), 401)
            }
        }
        try await protectedFiles()
    }

    private func digest(_ name: String, _ url: String, _ auth: Authentication, _ status: Int) async {
        await table.check(name) {
            let response = try await table.session.get(url, auth: auth)
            _ = try await response.bytes()
            try table.expect(response.status.code == status, "\(response.status)")
        }
    }

    /// Files behind nginx's auth_basic, and Apache's mod_auth_basic and mod_auth_digest.
    private func protectedFiles() async throws {
        let ada = (user: Self.user, password: Self.password)
        let account = "\(ada.user):\(ada.password)"
        for server in ["nginx", "apache"] {
            let url = "\(try peer(server))/basic/small.bin"
            await table.same("\(server): Basic", url, curl: ["-u", account]) {
                try await $0.get($1, auth: .basic(ada.user, ada.password))
            }
            await table.same("\(server): Basic, wrong password", url, curl: ["-u", "ada:x"]) {
                try await $0.get($1, auth: .basic("ada", "x"))
            }
            await table.same("\(server): nobody", url) { try await $0.get($1) }
        }
        let base = try peer("apache")
        for file in ["small.bin", "small.bin?a=b%20c", "missing"] {
            await table.same(
                "apache: Digest, \(file)",
                "\(base)/digest/\(file)",
                curl: ["--digest", "-u", account],
                comparesRedirects: false
            ) {
                try await $0.get($1, auth: .digest(ada.user, ada.password))
            }
        }
        await table.check("apache: Digest, many at once on one nonce") {
            let session = table.session
            let url = "\(base)/digest/small.bin"
            let before = await session.statistics.requests
            let sizes = try await gather(Array(0..<20), limit: 5) { _ in
                let response = try await session.get(url, auth: .digest(ada.user, ada.password))
                return response.status == .ok ? try await response.bytes().count : 0
            }
            let count = await session.statistics.requests - before
            try table.expect(sizes.allSatisfy { $0 == 4321 }, "\(sizes)")
            try table.expect(count == 20, "\(count) requests: the proof was not sent at once")
        }
        await table.check("apache: Digest, a nonce that expires") {
            let url = "\(base)/brief/small.bin"
            for _ in 1...3 {
                let response = try await table.session.get(url, auth: .digest(ada.user, ada.password))
                _ = try await response.bytes()
                try table.expect(response.status == .ok, "\(response.status)")
                try await sleep(for: .milliseconds(1100))
            }
        }
        await digest("apache: Digest, wrong password", "\(base)/digest/small.bin", .digest(ada.user, "x"), 401)
        await digest("apache: Digest to Basic only", "\(base)/basic/small.bin", .digest(ada.user, ada.password), 401)
    }
}
