import Apus
import Foundation

// The same requests through real proxies, by curl and by Apus.
extension Scenes {
    func proxies() async throws {
        let proxies = peers.filter { $0.key.hasPrefix("proxy:") }.sorted { $0.key < $1.key }
        for (name, url) in proxies { try await proxied(String(name.dropFirst("proxy:".count)), url) }
    }

    private func proxied(_ name: String, _ url: String) async throws {
        let proxy = try Proxy(url)
        let options = RequestOptions(proxy: proxy)
        let curl = ["--noproxy", "", "-x", url, "--proxy-cacert", table.curl.authority]
        let plain = try peer("nginx")
        let secure = try peer("apachetls")
        for target in [
            "\(plain)/small.bin", "\(plain)/large.bin", "\(plain)/empty.bin", "\(plain)/missing", "\(plain)/moved302",
            "\(secure)/small.bin", "\(secure)/large.bin", "\(secure)/missing",
        ] {
            let shown = target.replacing(plain, with: "http").replacing(secure, with: "https")
            await table.same("\(name): \(shown)", target, curl: curl) { try await $0.get($1, options: options) }
        }
        let echo = "\(try peer("httpbin"))/post"
        await table.sameEcho("\(name): a form", echo, curl: curl + ["-d", "a=1", "-d", "b=2"]) {
            try await $0.post($1, form: ["a": "1", "b": "2"], options: options)
        }
        await table.check("\(name): no field for the proxy reaches the server") {
            let headers = "\(try peer("httpbin"))/headers"
            // On a connection of its own: proxy.py takes its field off the first request of a connection only.
            let answer = try await ClientSession.with(table.session.configuration) {
                try await $0.get(headers, options: options).text()
            }
            try table.expect(!answer.contains("Proxy-Auth"), answer)
        }
        await table.check("\(name): a kept connection") {
            let before = await table.session.statistics.connectionsOpened
            for _ in 0..<10 { _ = try await table.session.get("\(secure)/small.bin", options: options).bytes() }
            let count = await table.session.statistics.connectionsOpened - before
            try table.expect(count <= 1, "\(count) connections for 10 requests")
        }
        await table.fails("\(name): a server that is not there", .proxyRefused) {
            _ = try await table.session.get("https://127.0.0.1:1/", options: options)
        }
        guard proxy.username != nil else { return }
        // tinyproxy 1.11 answers no credentials with 407, and wrong ones with 401.
        let refusal: ClientError.Code = name.hasPrefix("tinyproxy") ? .proxyRefused : .proxyAuthenticationRequired
        for username in ["me", "you"] {
            var wrong = proxy
            wrong.username = username
            wrong.password = "wrong"
            let options = RequestOptions(proxy: wrong)
            await table.fails("\(name): a wrong password for \(username)", refusal) {
                _ = try await table.session.get("\(secure)/small.bin", options: options)
            }
        }
        if !url.hasPrefix("socks") {
            var nobody = proxy
            nobody.username = nil
            let options = RequestOptions(proxy: nobody)
            await table.fails("\(name): no password, for http", .proxyAuthenticationRequired) {
                _ = try await table.session.get("\(plain)/small.bin", options: options)
            }
        }
    }
}
