import ApusHTTPClient
import ApusRuntime
import ApusTesting
import ApusWire
import Foundation
import HTTPTypes
import Testing

/// Forms and multiparts as a request's body. Rows C15, C110, C111.
@Suite struct MultipartUploadTests {
    /// A multipart with a boundary that a script can know.
    private static func form() throws -> Multipart {
        var form = try Multipart(boundary: "=b=")
        form.append("title", "Häuser")
        form.append("note", .text("hi", contentType: "text/plain"), filename: "a \"b\".txt")
        return form
    }

    private static let formText =
        "--=b=\r\nContent-Disposition: form-data; name=\"title\"\r\n\r\nHäuser\r\n"
        + "--=b=\r\nContent-Disposition: form-data; name=\"note\"; filename=\"a %22b%22.txt\"\r\nContent-Type: text/plain\r\n\r\nhi"
        + "\r\n--=b=--\r\n"

    @Test func `C110: fields alone are a urlencoded form`() async throws {
        try await withScripts([.expectRequest, .send(okResponse)]) { session, peer in
            _ = try await session.post(someURL, form: ["name": "Ada Lovelace", "city": "Zürich", "x": "a&b=c"])
            let sent = peer.written()
            #expect(sent.contains("Content-Type: application/x-www-form-urlencoded\r\n"))
            #expect(sent.hasSuffix("\r\n\r\nname=Ada+Lovelace&city=Z%C3%BCrich&x=a%26b%3Dc"))
        }
    }

    @Test func `C111: parts of known length make a body of known length`() async throws {
        let form = try Self.form()
        try await withScripts([.expectRequest, .send(okResponse)]) { session, peer in
            _ = try await session.post(someURL, multipart: form)
            let sent = peer.written()
            #expect(sent.contains("Content-Type: multipart/form-data; boundary=\"=b=\"\r\n"))
            #expect(sent.contains("Content-Length: \(Self.formText.utf8.count)\r\n"))
            #expect(sent.hasSuffix("\r\n\r\n" + Self.formText))
        }
    }

    @Test func `C111: a part of unknown length makes the body chunked, in the order of the parts`() async throws {
        var parts = try Multipart(subtype: "mixed", boundary: "=b=")
        var inner = try Multipart(subtype: "mixed", boundary: "inner")
        inner.append(.text("deep"))
        parts.append(inner)
        parts.append(.written(contentType: "text/csv") { try await $0.write("a,b") }, headers: [.contentLanguage: "en"])
        let sendable = parts
        try await withScripts([.expectHead, .stall]) { session, peer in
            let request = EventLoop.spawn { try await session.post(someURL, multipart: sendable) }
            await until { peer.written().hasSuffix("\r\n0\r\n\r\n") }
            let sent = peer.written()
            #expect(sent.contains("Transfer-Encoding: chunked\r\n"))
            let order = ["boundary=inner", "--inner", "deep", "--inner--", "Content-Language: en", "a,b", "--=b=--"]
            var rest = sent[...]
            for text in order {
                let range = try #require(rest.range(of: text), "\(text) is missing behind the part before: \(sent)")
                rest = rest[range.upperBound...]
            }
            request.cancel()
            _ = await request.result
        }
    }

    @Test func `C15: files of a form are streamed, and opened once for all tries`() async throws {
        try await withScratchFolder { (folder: String) async throws in
            let path = "\(folder)/photo.jpg"
            let content = String(repeating: "0123456789", count: 20_000)
            try Data(content.utf8).write(to: URL(filePath: path))
            var form = try Multipart(boundary: "=b=")
            form.append("photo", file: path, contentType: "image/jpeg")
            let sendable = form
            let redirect = "HTTP/1.1 308 Permanent Redirect\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n"
            try await withScripts([.expectRequest, .send(redirect), .expectRequest, .send(okResponse)]) {
                session,
                peer in
                let response = try await session.post(someURL, multipart: sendable)
                #expect(response.history.count == 1)
                let sent = peer.written()
                #expect(sent.components(separatedBy: content).count == 3)
                #expect(sent.contains("name=\"photo\"; filename=\"photo.jpg\"\r\nContent-Type: image/jpeg\r\n\r\n0123"))
            }
            var missing = Multipart()
            missing.append("x", file: "\(folder)/none")
            let lost = missing
            try await withScripts([]) { session, _ in
                let error = await clientError { try await session.post(someURL, multipart: lost) }
                #expect(error?.code == .bodyFailed)
                #expect(error?.message.contains("\(folder)/none") == true)
            }
        }
    }

    @Test func `C110: a part that writes more or less than it stated is the request's error`() async throws {
        try await withScripts([.expectHead, .stall], [.expectHead, .stall]) { session, peer in
            for text in ["", "abcdef"] {
                var form = Multipart()
                form.append("a", .written(length: 3) { try await $0.write(text) })
                // The sum is right all the same.
                form.append(
                    "b",
                    .written(length: 3) { try await $0.write(String(repeating: "x", count: 6 - text.count)) }
                )
                let sendable = form
                let error = await clientError { try await session.post(someURL, multipart: sendable) }
                #expect(error?.code == .invalidRequest)
                #expect(error?.message.contains("stated 3 bytes") == true)
            }
            #expect(peer.open == 0)
        }
    }

    @Test func `C110: what could forge a part's head is refused or escaped`() async throws {
        try await withScripts([]) { session, _ in
            var form = try Multipart(boundary: "=b=")
            form.append("a", "--=b=\r\n")
            let inContent = form
            let error = await clientError { try await session.post(someURL, multipart: inContent) }
            #expect(error?.code == .invalidRequest)
            #expect(error?.cause is MultipartError)
        }
        #expect(throws: MultipartError.self) { try Multipart(boundary: "a\r\nb") }
    }
}
