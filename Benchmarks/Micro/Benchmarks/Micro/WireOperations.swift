import Apus
import Benchmark

let wireOperations: [(String, Operation)] = [
    ("URI: parse, usual", { for _ in $0 { blackHole(try URI("https://example.com/articles/2026?page=2&sort=date")) } }),
    ("URI: parse, escaped", { for _ in $0 { blackHole(try URI("https://bücher.example/Bücher und mehr?ä=ö#ü")) } }),
    (
        "URI: a reference resolved",
        { count in
            let base = try URI("https://example.com/articles/2026/")
            for _ in count { blackHole(try base.resolve("../about?x=1")) }
        }
    ),
    (
        "a form of four fields, encoded",
        { count in
            let fields = [("name", "Ada Lovelace"), ("city", "London"), ("note", "50 % & more"), ("id", "42")]
            for _ in count { blackHole(URLEncodedForm.encode(fields)) }
        }
    ),
    (
        "a form of four fields, decoded",
        { count in
            let bytes = Array("name=Ada+Lovelace&city=London&note=50+%25+%26+more&id=42".utf8)
            for _ in count { blackHole(try URLEncodedForm.decode(bytes)) }
        }
    ),
    (
        "cookies for a URL: 2 of 100",
        { count in
            let (jar, url) = (CookieJar(), try URI("https://www.host7.example/"))
            for number in 0..<50 {
                let host = try URI("https://www.host\(number).example/")
                try jar.store("session=\(number); Path=/; Secure", from: host)
                try jar.store("theme=dark; Path=/", from: host)
            }
            for _ in count { blackHole(try jar.cookies(for: url)) }
        }
    ),
    (
        "Set-Cookie: parsed and kept",
        { count in
            let (jar, url) = (CookieJar(), try URI("https://www.example.com/"))
            for _ in count {
                try jar.store("session=31d4; Path=/; Max-Age=3600; Secure; HttpOnly; SameSite=Lax", from: url)
            }
        }
    ),
    ("a media type, parsed", { for _ in $0 { blackHole(MediaType("text/html; charset=utf-8")) } }),
    ("a date, parsed", { for _ in $0 { blackHole(HTTPTimestamp("Sun, 06 Nov 1994 08:49:37 GMT")) } }),
    (
        "a server-sent event",
        { count in
            var parser = ServerSentEventParser()
            let bytes = Array("event: price\nid: 7\ndata: {\"value\": 12.5}\n\n".utf8)
            for _ in count {
                parser.receive(bytes)
                blackHole(try parser.next())
            }
        }
    ),
    (
        "a request's head, parsed",
        { count in
            let bytes = Array(
                """
                GET /articles/2026?page=2 HTTP/1.1\r
                Host: example.com\r
                User-Agent: Mozilla/5.0 (X11; Linux x86_64)\r
                Accept: text/html,application/xhtml+xml;q=0.9,*/*;q=0.8\r
                Accept-Encoding: gzip, deflate, br\r
                Connection: keep-alive\r
                \r

                """.utf8
            )
            for _ in count {
                var connection = HTTP1Connection(role: .server)
                connection.receive(bytes)
                blackHole(try connection.next())
            }
        }
    ),
]
