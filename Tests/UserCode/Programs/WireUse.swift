// Formats as values: URIs, field values, forms, multipart bodies and event streams.

import Apus

enum WireUse {
    static func run(_ base: String) async throws {
        try uris()
        try fields()
        try bodies()
    }

    private static func uris() throws {
        let base = try URI("https://bücher.example/v1")
        try expect(base.host == "xn--bcher-kva.example", "an international host")
        let user = try base.appending(path: "users").appending(segment: "a/b").appendingQuery([("q", "x y")])
        try expect(user.target == Array("/v1/users/a%2Fb?q=x%20y".utf8), "paths below a base")
        try expect(try base.resolve("../x#f").withoutFragment.path == "/x", "a reference")
        try expect(try base.appending(rawQuery: "a=1").query == "a=1", "a query that is written already")
        do {
            _ = try base.appending(path: "../x")
            throw Unexpected(description: "a path out of the base")
        } catch let error as URIError where error.code == .invalidPath {}
    }

    private static func fields() throws {
        let type = MediaType("text/html; charset=utf-8")
        try expect(
            type?.essence == "text/html" && type?.charset == "utf-8" && type?["CHARSET"] == "utf-8",
            "a media type"
        )
        let disposition = ContentDisposition("attachment; filename=\"../x.txt\"")
        try expect(disposition?.safeFilename == "x.txt", "a safe file name")
        let links = WebLink.parse(["</2>; rel=next"], base: try URI("http://h/1"))
        try expect(links.first { $0.has(relation: "next") }?.target.path == "/2", "a link")
        let date = HTTPTimestamp("Sun, 06 Nov 1994 08:49:37 GMT")
        try expect(date?.secondsSince1970 == 784_111_777, "a date")
        try expect(RetryAfter("5")?.delay(from: HTTPTimestamp(secondsSince1970: 0)) == 5, "how long to wait")
        try expect(EntityTag("W/\"1\"")?.isWeak == true, "an entity tag")
        try expect(ByteRange.parse("bytes=0-1")?.first?.resolved(size: 10) == 0..<2, "a range")
        try expect(ContentRange("bytes 0-1/10")?.size == 10, "a content range")
    }

    private static func bodies() throws {
        let form = URLEncodedForm.encode([("a b", "ü")])
        let back = try URLEncodedForm.decode(Array(form.utf8))
        try expect(back == [URLEncodedForm.Field(name: "a b", value: "ü")], "a form there and back")
        var parser = try MultipartParser(boundary: MultipartBoundary("b"))
        parser.receive(Array("--b\r\nA: 1\r\n\r\nhello\r\n--b--".utf8))
        var text = ""
        loop: while true {
            switch try parser.next() {
            case .part(let fields): text += fields[HTTPField.Name("A")!] ?? ""
            case .data(let bytes): text += String(decoding: bytes, as: UTF8.self)
            case .endOfPart: text += "."
            case .end, .needData: break loop
            }
        }
        try expect(text == "1hello.", "a multipart body: \(text)")
        var events = ServerSentEventParser()
        events.receive(Array("id: 1\ndata: x\n\n".utf8))
        let event = try events.next()
        try expect(event == ServerSentEvent(data: "x", id: "1") && events.lastEventID == "1", "an event")
    }
}
