import Apus
import Foundation

extension Scenes {
    /// 10 MB up, each way to send it, through each server; the far side says what arrived.
    func uploads() async throws {
        let file = "\(folder)/upload.bin"
        let bytes = (0..<10_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }
        try Data(bytes).write(to: URL(filePath: file))
        let whole = bytes
        for name in ["aiohttp", "haproxyapp", "apacheapp", "nginxapp"] {
            let url = try peer(name) + "/digest"
            await table.same("\(name): a file of 10 MB", url, curl: ["-X", "PUT", "-H", "Expect:", "-T", file]) {
                try await $0.put($1, body: .file(file))
            }
            await table.same("\(name): 10 MB of bytes", url, curl: ["-H", "Expect:", "--data-binary", "@\(file)"]) {
                try await $0.post($1, body: .bytes(whole))
            }
            await table.same("\(name): 10 MB in chunks", url, curl: ["-H", "Expect:", "--data-binary", "@\(file)"]) {
                try await $0.post(
                    $1,
                    body: .written { writer in
                        for start in stride(from: 0, to: whole.count, by: 99_999) {
                            try await writer.write(whole[start..<min(start + 99_999, whole.count)])
                        }
                    }
                )
            }
            await table.same("\(name): Expect: 100-continue", url, curl: ["-T", file]) {
                try await $0.put($1, body: .file(file), options: RequestOptions(expectContinue: .seconds(5)))
            }
            await table.same("\(name): a body of nothing", url, curl: ["-d", ""]) { try await $0.post($1) }
        }
    }

    func httpbin() async throws {
        for name in ["httpbin", "haproxybin"] {
            let base = try peer(name)
            try await echoes(name, base)
            for status in [200, 201, 204, 400, 401, 403, 404, 418, 500, 502, 503] {
                await table.same("\(name): /status/\(status)", "\(base)/status/\(status)")
            }
            for path in [
                "bytes/100000?seed=3", "stream-bytes/100000?seed=3&chunk_size=777", "range/5000?chunk_size=100",
                "drip?duration=0.2&numbytes=20&delay=0", "encoding/utf8", "image/png", "base64/QXB1cw==", "xml", "html",
                "links/5/0",
            ] {
                await table.same("\(name): /\(path)", "\(base)/\(path)")
            }
            await table.check("\(name): /stream/20 comes as 20 lines") {
                var count = 0
                for try await _ in try await table.session.get("\(base)/stream/20").lines { count += 1 }
                try table.expect(count == 20, "\(count) lines")
            }
            await table.sameEcho("\(name): /delay", "\(base)/delay/0.2", curl: [], fields: ["args", "url"]) {
                try await $0.get($1)
            }
            await table.same("\(name): /range with a range", "\(base)/range/1000", curl: ["-H", "Range: bytes=5-99"]) {
                try await $0.get($1, headers: ["Range": "bytes=5-99"])
            }
            await table.same("\(name): /etag", "\(base)/etag/x", curl: ["-H", "If-None-Match: \"x\""]) {
                try await $0.get($1, headers: ["If-None-Match": "\"x\""])
            }
            await table.same("\(name): /basic-auth", "\(base)/basic-auth/u/p", curl: ["-u", "u:p"]) {
                try await $0.get($1, headers: ["Authorization": "Basic dTpw"])
            }
            await table.check("\(name): HEAD has no body") {
                let response = try await table.session.head("\(base)/get")
                let count = try await response.bytes().count
                try table.expect(response.status == .ok && count == 0, "\(response.status), \(count) bytes")
            }
        }
    }

    private func echoes(_ name: String, _ base: String) async throws {
        // curl writes a space as “+” and digits in lower case: what the server understands is the same.
        let query = ["-G", "--data-urlencode", "q=a b&c=ü/?#", "--data-urlencode", "r=+%"]
        await table.sameEcho("\(name): params", "\(base)/anything", curl: query, comparesURL: false) {
            try await $0.get($1, params: ["q": "a b&c=ü/?#", "r": "+%"])
        }
        for method in ["PUT", "PATCH", "DELETE", "POST"] {
            await table.sameEcho("\(name): \(method)", "\(base)/anything", curl: ["-X", method, "-d", "a=1 2&b=ü&b=2"])
            {
                try await $0.request(
                    .init(method)!,
                    $1,
                    body: .text("a=1 2&b=ü&b=2", contentType: "application/x-www-form-urlencoded")
                )
            }
        }
        let json = #"{"name": "Ada", "n": [1, 2.5, null]}"#
        let type = "Content-Type: application/json"
        await table.sameEcho("\(name): JSON", "\(base)/post", curl: ["-H", type, "-d", json]) {
            try await $0.post($1, body: .text(json, contentType: "application/json"))
        }
        let form = ["--data-urlencode", "a=1 2", "--data-urlencode", "ü=&="]
        await table.sameEcho("\(name): a form", "\(base)/post", curl: form) {
            try await $0.post($1, form: ["a": "1 2", "ü": "&="])
        }
        let file = "\(folder)/part.txt"
        try Data("a file\r\nof two lines".utf8).write(to: URL(filePath: file))
        let parts = ["-F", "title=Holiday ü", "-F", "upload=@\(file);type=text/plain"]
        await table.sameEcho("\(name): multipart", "\(base)/post", curl: parts) {
            var form = Multipart()
            form.append("title", "Holiday ü")
            form.append("upload", file: file, contentType: "text/plain")
            return try await $0.post($1, multipart: form)
        }
        let binary = "\(folder)/binary"
        try Data((0...255).map { UInt8($0) }).write(to: URL(filePath: binary))
        let octets = ["-H", "Content-Type: application/octet-stream", "--data-binary", "@\(binary)"]
        await table.sameEcho("\(name): bytes", "\(base)/post", curl: octets) {
            try await $0.post($1, body: .bytes((0...255).map { UInt8($0) }))
        }
        await table.sameEcho("\(name): chunks", "\(base)/post", curl: octets + ["-H", "Transfer-Encoding: chunked"]) {
            try await $0.post(
                $1,
                body: .written { writer in
                    for byte in 0...255 { try await writer.write([UInt8(byte)]) }
                }
            )
        }
    }

    /// Servers that are slower than we wait.
    func timeouts() async throws {
        let base = try peer("httpbin")
        var timeouts = Timeouts()
        timeouts.head = .milliseconds(300)
        timeouts.idle = .milliseconds(300)
        let short = timeouts
        await table.fails("httpbin: /delay ends with headTimeout", .headTimeout) {
            _ = try await table.session.get("\(base)/delay/2", timeouts: short)
        }
        await table.fails("httpbin: /drip ends with idleTimeout", .idleTimeout) {
            _ = try await table.session.get("\(base)/drip?duration=4&numbytes=4", timeouts: short).bytes()
        }
        await table.fails("httpbin: /drip ends with totalTimeout", .totalTimeout) {
            let url = "\(base)/drip?duration=3&numbytes=30"
            _ = try await table.session.get(url, timeouts: .total(.milliseconds(500))).bytes()
        }
        await table.fails("haproxy: a server that is not there is 503", .statusNotSuccess) {
            try await table.session.get(try peer("haproxydead")).raiseForStatus()
        }
        await table.same("haproxy: the same as curl says", try peer("haproxydead"))
    }
}
