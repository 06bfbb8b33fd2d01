import ApusWire
import Testing

@Suite("Cache-Control and the digest") struct CacheControlTests {
    @Test("directives are read in any case, order and number of fields")
    func directives() {
        let read = CacheControl(["Max-Age=60, PRIVATE", " no-cache=\"Set-Cookie, x\" ,,stale-if-error = \"30\"", "x=1"])
        #expect(read.maxAge == 60 && read.isPrivate && read.noCache && read.staleIfError == 30)
        #expect(!read.noStore && !read.isPublic && !read.mustRevalidate && read.maxStale == nil)
        let others = CacheControl([
            "no-store, public, must-revalidate, must-understand, only-if-cached, max-stale, min-fresh=5, stale-while-revalidate=7"
        ])
        #expect(others.noStore && others.isPublic && others.mustRevalidate && others.mustUnderstand)
        #expect(others.onlyIfCached && others.maxStale == .max && others.minFresh == 5)
        #expect(others.staleWhileRevalidate == 7)
        #expect(CacheControl(["max-stale=3"]).maxStale == 3)
        #expect(CacheControl([]) == CacheControl())
    }

    @Test("a mistake makes a response older, never younger")
    func mistakes() {
        for text in ["max-age=-1", "max-age=1x", "max-age=", "max-age", "max-age=1.5", "max-age=\"\"", "max-age= ,x"] {
            #expect(CacheControl([text]).maxAge == 0, "\(text)")
        }
        #expect(CacheControl(["max-age=100, max-age=5", "max-age=50"]).maxAge == 5)
        #expect(CacheControl(["max-age=99999999999999999999999999"]).maxAge == 1 << 31)
        // What is within quotes is no directive of its own.
        #expect(!CacheControl(["x=\"no-store, public\""]).noStore)
        #expect(CacheControl(["x=\"a\\\", max-age=9\", max-age=3"]).maxAge == 3)
    }

    @Test("an unclosed quotation does not hide that something is private or not to be stored")
    func unclosed() {
        #expect(CacheControl(["no-store, x=\"public, max-age=9"]).noStore)
        #expect(CacheControl(["x=\"a", "no-store"]).noStore)
    }

    @Test("any bytes are read, in time proportional to their number")
    func anything() {
        var random = SplitMix(seed: 9)
        let alphabet = Array("max-age=no store,\"\\;60private*\t\u{80}".utf8)
        for _ in 0..<2_000 {
            let bytes = (0..<Int.random(in: 0..<60, using: &random)).map { _ in
                alphabet.randomElement(using: &random) ?? 0
            }
            let read = CacheControl([String(decoding: bytes, as: UTF8.self)])
            #expect((read.maxAge ?? 0) >= 0)
        }
        let long = CacheControl([String(repeating: "a=\"b\", ", count: 100_000) + "max-age=1"])
        #expect(long.maxAge == 1)
    }

    @Test("SHA-256 agrees with FIPS 180-4's examples")
    func digest() {
        func hex(_ text: String) -> String { CacheDigest.hexadecimal(Array(text.utf8)) }
        #expect(hex("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
        #expect(hex("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        #expect(
            hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")
                == "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
        )
        #expect(
            hex(String(repeating: "a", count: 1_000))
                == "41edece42d63e8d9bf515a9ba6932e1c20cbc9f5a5d134645adb5db1b9737ea3"
        )
    }
}
