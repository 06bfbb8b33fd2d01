import ApusWire
import HTTPTypes
import Testing

@Suite struct HTTP1ResponseStatusTests {
    @Test("The status has the phrase that came, whether it is the usual one or another")
    func phrases() throws {
        let phrases = [
            "", "OK", "ok", "Ok", "O", "OKAY", "OK ", "Created", "No Content", "Partial Content", "Moved Permanently",
            "Found", "FOUND",
            "Not Modified", "Bad Request", "Unauthorized", "Forbidden", "Not Found", "Not found",
            "Internal Server Error",
            "Bad Gateway", "Service Unavailable", "Service Unavailablf", "Fine", "Ça va",
        ]
        for code in 200...599 {
            for phrase in phrases {
                let status = HTTPResponse.Status(code: code, reasonPhrase: phrase)
                let head = try HTTP1ResponseHead(status: status, fields: [:])
                #expect(head.status.code == code)
                #expect(head.status.reasonPhrase == head.reason)
                #expect(head.reason == phrase)
            }
        }
    }
}
