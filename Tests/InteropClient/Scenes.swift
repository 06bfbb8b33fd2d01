import Apus
import Foundation

/// What is asked of which server.
struct Scenes {
    struct Missing: Error, CustomStringConvertible {
        var description: String
    }

    let table: Table
    let peers: [String: String]
    let folder: String

    func peer(_ name: String) throws -> String {
        guard let url = peers[name] else { throw Missing(description: "no URL for \(name)") }
        return url
    }

    func run() async throws {
        for name in ["nginx", "apache", "haproxy", "haproxytls", "apachetls", "httpserver"] {
            try await files(of: name)
        }
        try await connections()
        try await codings()
        try await redirects()
        try await uploads()
        try await httpbin()
        try await cookies()
        try await authentication()
        try await caches()
        try await timeouts()
        try await proxies()
    }

    /// Bodies by length or up to the end of the connection, HEAD, ranges, conditions.
    private func files(of name: String) async throws {
        let base = try peer(name)
        for file in ["empty.bin", "small.bin", "large.bin", "text.txt", "missing"] {
            await table.same("\(name): GET \(file)", "\(base)/\(file)")
        }
        await table.check("\(name): HEAD") {
            let head = try await table.session.head("\(base)/large.bin")
            try table.expect(head.status == .ok && head.contentLength == 5_000_000, "\(head.status), \(head.headers)")
            let body = try await head.bytes()
            try table.expect(body.isEmpty, "\(body.count) bytes for HEAD")
        }
        for range in ["bytes=100-199", "bytes=-10", "bytes=99999999-", "bytes=0-0,10-19"] {
            // Several ranges are parts with a boundary of chance: only the length says the same.
            if range.contains(",") {
                await table.check("\(name): \(range)") {
                    let theirs = try await table.curl("\(base)/small.bin", ["-H", "Range: \(range)"])
                    let ours = try await table.session.get("\(base)/small.bin", headers: ["Range": range])
                    let count = try await ours.bytes().count
                    let same = ours.status.code == theirs.status && count == theirs.body.count
                    try table.expect(
                        same,
                        "\(ours.status), \(count) bytes; curl \(theirs.status), \(theirs.body.count)"
                    )
                }
            } else {
                let url = "\(base)/small.bin"
                await table.same("\(name): \(range)", url, curl: ["-H", "Range: \(range)"]) {
                    try await $0.get($1, headers: ["Range": range])
                }
            }
        }
        let later = "Fri, 01 Jan 2100 00:00:00 GMT"
        await table.same(
            "\(name): If-Modified-Since",
            "\(base)/small.bin",
            curl: ["-H", "If-Modified-Since: \(later)"]
        ) {
            try await $0.get($1, headers: ["If-Modified-Since": later])
        }
        let tag = try await table.session.head("\(base)/small.bin").headers[.eTag]
        if let tag {
            await table.check("\(name): If-None-Match is 304") {
                let response = try await table.session.get("\(base)/small.bin", headers: ["If-None-Match": tag])
                let count = try await response.bytes().count
                try table.expect(response.status.code == 304 && count == 0, "\(response.status), \(count) bytes")
            }
        }
    }

    private func connections() async throws {
        for name in ["nginx", "apache", "haproxy", "haproxytls", "aiohttp", "httpbin"] {
            let path = ["aiohttp": "/fields", "httpbin": "/get"][name] ?? "/small.bin"
            await table.connections("\(name): a kept connection", try peer(name) + path, requests: 20, opened: 1)
        }
        await table.connections(
            "apache: closing after every 5",
            try peer("apachefew") + "/small.bin",
            requests: 20,
            opened: 4
        )
        await table.connections("httpserver: HTTP/1.0", try peer("httpserver") + "/small.bin", requests: 5, opened: 5)
    }

    private func codings() async throws {
        let plain = try await table.session.get(
            try peer("nginx") + "/text.txt",
            options: RequestOptions(decompress: false)
        ).bytes()
        for (name, file, coding) in [
            ("nginx", "text.txt", "gzip"), ("apache", "text.txt", "gzip"), ("haproxy", "text.txt", "gzip"),
            ("apache", "text.txt", "br"), ("apache", "text.zst", "zstd"), ("apachetls", "text.txt", "gzip"),
        ] {
            let url = "\(try peer(name))/\(file)"
            await table.check("\(name): \(coding)") {
                let response = try await table.session.get(url, headers: ["Accept-Encoding": coding])
                let stated = response.headers[.contentEncoding] ?? "nothing"
                let body = try await response.bytes()
                try table.expect(stated == coding, "the server sent \(stated)")
                try table.expect(body == plain, "\(body.count) bytes, expected \(plain.count), or other ones")
            }
        }
        let base = try peer("httpbin")
        for (path, field) in [("gzip", "gzipped"), ("deflate", "deflated"), ("brotli", "brotli")] {
            await table.sameEcho(
                "httpbin: /\(path)",
                "\(base)/\(path)",
                curl: ["--compressed"],
                fields: [field, "method"]
            ) {
                try await $0.get($1)
            }
        }
    }

    private func redirects() async throws {
        for name in ["nginx", "apache", "haproxy"] {
            let base = try peer(name)
            for status in [301, 302, 303, 307, 308] {
                await table.same("\(name): redirect \(status)", "\(base)/moved\(status)")
            }
        }
        let base = try peer("httpbin")
        for path in ["redirect/5", "relative-redirect/3", "absolute-redirect/10"] {
            await table.sameEcho("httpbin: /\(path)", "\(base)/\(path)", curl: [], fields: ["url", "args"]) {
                try await $0.get($1)
            }
        }
        for status in [301, 302, 303, 307, 308] {
            let url = "\(base)/redirect-to?url=/anything&status_code=\(status)"
            await table.sameEcho("httpbin: POST redirected by \(status)", url, curl: ["-d", "a=1"]) {
                try await $0.post($1, form: ["a": "1"])
            }
        }
        await table.fails("httpbin: the 11th redirect", .tooManyRedirects) {
            _ = try await table.session.get("\(base)/relative-redirect/11")
        }
    }
}
