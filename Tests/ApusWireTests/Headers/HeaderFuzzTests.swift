import Testing

@testable import ApusWire

/// Whatever a field says, it gives a value or nil; and what was read can be written and read again.
@Suite struct HeaderFuzzTests {
    private static let pieces = [
        "text/html", "attachment", "bytes", "=", ";", ",", "\"", "\\", "<", ">", "*", "'", "%", "%41", "%ff", "utf-8''",
        "filename",
        "filename*", "filename*0*", "name", "rel", "charset", "W/", "0", "9", "-", "/", " ", "\t", ":", "GMT",
        "Sun, 06 Nov 1994 08:49:37",
        "ü", "a", "gzip", "http://h", "..", "\0", "\r\n", "99999999999999999999",
    ]

    @Test("Random field values never trap, and what is read is written and read again")
    func values() throws {
        let seed: UInt64 = 0x4EAD
        var random = SplitMix(seed: seed)
        let base = try URI("http://h/a?b")
        for round in 0..<10_000 {
            var text = ""
            for _ in 0..<random.next() % 14 { text += Self.pieces[Int(random.next() % UInt64(Self.pieces.count))] }
            if let type = MediaType(text) {
                // Control characters become spaces when written; a field has none when it arrives.
                if HeaderScanner(text).bytes.allSatisfy({ $0 >= 0x20 }) {
                    let again = MediaType(type.description)
                    #expect(again == type, "seed \(seed) round \(round): \(text.debugDescription)")
                }
            }
            if let disposition = ContentDisposition(text), let name = disposition.safeFilename {
                #expect(
                    !name.isEmpty && !name.contains("/") && name != ".." && name.utf8.count <= 255,
                    "seed \(seed) round \(round)"
                )
            }
            _ = WebLink.parse([text, text], base: base)
            if let ranges = ByteRange.parse(text) {
                #expect(ByteRange.parse(ByteRange.field(ranges)) == ranges, "seed \(seed) round \(round)")
                _ = ranges.map { $0.resolved(size: Int(random.next() % 100)) }
            }
            if let range = ContentRange(text) { #expect(ContentRange(range.description) == range) }
            if let tag = EntityTag(text) { #expect(EntityTag(tag.description) == tag) }
            _ = EntityTag.Condition([text])
            _ = RetryAfter(text)
            _ = HTTPTimestamp(text)
            _ = ContentCoding.list([text])
            _ = TextEncoding.named(text)
            let fields = try URLEncodedForm.decode(Array(text.utf8))
            let encoded = URLEncodedForm.encode(fields.map { ($0.name, $0.value) })
            let again = try URLEncodedForm.decode(Array(encoded.utf8))
            #expect(again == fields, "seed \(seed) round \(round): \(text.debugDescription)")
        }
    }

    @Test("Content codings: the order of application, several lines, names in any case, identity left out")
    func codings() {
        #expect(
            ContentCoding.list(["gzip, BR", " x-gzip ,,identity;q=1, zstd", "odd"]) == [
                .gzip, .brotli, .gzip, .zstd, .other("odd"),
            ]
        )
        #expect(
            ContentCoding.list([]) == [] && ContentCoding.list([""]) == []
                && ContentCoding.list([",\"a,b\",deflate"]) == [.deflate]
        )
        #expect(ContentCoding.acceptEncoding([.gzip, .deflate, .brotli, .zstd]) == "gzip, deflate, br, zstd")
        #expect(ContentCoding.acceptEncoding([]) == "identity")
        #expect(ContentCoding.list([String(repeating: "gzip,", count: 200_000)]).count == 200_000)
    }

    @Test("Values of a megabyte take time in proportion")
    func proportion() {
        let quotes = String(repeating: "\\\"", count: 500_000)
        #expect(MediaType("a/b; c=\"\(quotes)\"")?["c"]?.utf8.count == 500_000)
        #expect(MediaType("a/b" + String(repeating: ";c=d", count: 250_000))?.parameters.count == 1)
        let names = (0..<100_000).map { ";p\($0)=x" }.joined()
        #expect(MediaType("a/b" + names)?.parameters.count == 100_000)
        let pieces = (0..<50_000).map { ";filename*\($0)=x" }.joined()
        #expect(ContentDisposition("attachment" + pieces)?.filename?.utf8.count == 50_000)
        #expect(ContentDisposition.safeFilename(String(repeating: ".", count: 1_000_000)) == nil)
        #expect(ContentDisposition.safeFilename(String(repeating: "a\u{301}", count: 300_000))?.utf8.count == 255)
    }
}
