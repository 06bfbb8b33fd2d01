import ApusWire
import Testing

/// C40: Link fields (RFC 8288), resolved against the response's URI.
@Suite struct WebLinkTests {
    private static func links(_ values: String...) throws -> [String] {
        WebLink.parse(values, base: try URI("http://h/a/b?q")).map { link in
            let rest = link.parameters.filter { $0.name != "rel" }.map { "\($0.name)=\($0.value)" }
            return ([link.target.description, link.relations.joined(separator: "+")] + rest).joined(separator: " ")
        }
    }

    @Test("Links are found, with relations and parameters, in one field or several")
    func parses() throws {
        #expect(try Self.links("<c>; rel=\"next\"") == ["http://h/a/c next"])
        #expect(
            try Self.links("<c>; rel=\"a, B;x\", </d>;REL=Next;x, <//e>") == [
                "http://h/a/c a,+b;x", "http://h/d next x=", "http://e/ ",
            ]
        )
        #expect(
            try Self.links("<http://x/?a=1,2>; rel=prev ,<?p=2>; rel=next", "<#f>; rel=first") == [
                "http://x/?a=1,2 prev", "http://h/a/b?p=2 next", "http://h/a/b?q#f first",
            ]
        )
        #expect(try Self.links("<c>; rel=\"Next http://X/Rel\"; rel=ignored") == ["http://h/a/c next+http://X/Rel"])
        #expect(try Self.links("<c> ; title=\"x\\\"y\" ; rel = up") == ["http://h/a/c up title=x\"y"])
    }

    @Test("What cannot be read is passed over")
    func malformed() throws {
        #expect(try Self.links("") == [])
        #expect(try Self.links("c; rel=next, <d>; rel=up") == ["http://h/a/d up"])
        #expect(try Self.links("<c; rel=next") == [])
        #expect(try Self.links("<http://[>; rel=next, <d>; rel=up") == ["http://h/a/d up"])
        #expect(try Self.links(",,<c>,,;,<d> junk; rel=x") == ["http://h/a/c ", "http://h/a/d x"])
        #expect(try Self.links("<c>; rel=\"unfinished, <d>; rel=x") == ["http://h/a/c "])
        #expect(try Self.links("\"<x>\", <c>") == ["http://h/a/c "])
    }

    @Test("Anchor and title* are understood")
    func context() throws {
        let base = try URI("http://h/")
        let links = WebLink.parse(
            ["<c>; rel=x; anchor=\"/d\"; title=a; title*=UTF-8''%c3%bc", "<c>; anchor=\"http://[\""],
            base: base
        )
        #expect(links.count == 1)
        #expect(links.first?.context.description == "http://h/d")
        #expect(links.first?.title == "ü")
        #expect(links.first?.has(relation: "X") == true && links.first?.has(relation: "y") == false)
    }

    @Test("A field of a megabyte takes time in proportion, and the number of links is bounded")
    func bounded() throws {
        let base = try URI("http://h/")
        #expect(WebLink.parse([String(repeating: "<>,", count: 350_000)], base: base).count == WebLink.maximumCount)
        #expect(WebLink.parse([String(repeating: "<http://[>,", count: 90_000)], base: base).isEmpty)
        #expect(WebLink.parse([String(repeating: "\"", count: 1_000_001)], base: base).isEmpty)
        #expect(WebLink.parse([String(repeating: "<", count: 1_000_000)], base: base).isEmpty)
        let parameters = "<c>" + String(repeating: ";a", count: 300_000)
        #expect(WebLink.parse([parameters], base: base).first?.parameters.count == 300_000)
    }
}
