import ApusWire
import Testing

@Suite struct RangeTests {
    @Test("Range fields are read and written")
    func ranges() {
        #expect(ByteRange.parse("bytes=0-499") == [.from(0, last: 499)])
        #expect(ByteRange.parse("Bytes=500-,-2 ,\t7-7,,") == [.from(500, last: nil), .suffix(2), .from(7, last: 7)])
        #expect(ByteRange.field([.from(0, last: 1), .from(5, last: nil), .suffix(3)]) == "bytes=0-1, 5-, -3")
        for text in [
            "", "bytes", "bytes=", "bytes=,", "lines=1-2", "bytes=1", "bytes=-", "bytes=2-1", "bytes=a-b", "bytes=1-2x",
            "bytes=1--2", "bytes =1-2",
        ] {
            #expect(ByteRange.parse(text) == nil, "\(text)")
        }
        #expect(ByteRange.parse("bytes=" + Array(repeating: "1-2", count: 32).joined(separator: ","))?.count == 32)
        #expect(ByteRange.parse("bytes=" + Array(repeating: "1-2", count: 33).joined(separator: ",")) == nil)
    }

    @Test("Ranges are resolved against a size, without overflow")
    func resolved() {
        #expect(ByteRange.from(0, last: 4).resolved(size: 10) == 0..<5)
        #expect(ByteRange.from(5, last: nil).resolved(size: 10) == 5..<10)
        #expect(ByteRange.from(5, last: 99).resolved(size: 10) == 5..<10)
        #expect(ByteRange.from(10, last: nil).resolved(size: 10) == nil)
        #expect(ByteRange.suffix(3).resolved(size: 10) == 7..<10)
        #expect(ByteRange.suffix(30).resolved(size: 10) == 0..<10)
        #expect(ByteRange.suffix(0).resolved(size: 10) == nil)
        #expect(ByteRange.suffix(1).resolved(size: 0) == nil)
        #expect(
            ByteRange.from(-1, last: 3).resolved(size: 10) == nil
                && ByteRange.from(3, last: 1).resolved(size: 10) == nil
        )
        let huge = ByteRange.parse("bytes=0-99999999999999999999,99999999999999999999-,-99999999999999999999")
        #expect(huge?.map { $0.resolved(size: .max) } == [0..<Int.max, nil, 0..<Int.max])
    }

    @Test("Content-Range is read and written, and refused if it contradicts itself")
    func contentRange() {
        #expect(ContentRange("bytes 0-4/10") == ContentRange(range: 0..<5, size: 10))
        #expect(ContentRange("bytes 0-4/*") == ContentRange(range: 0..<5, size: nil))
        #expect(ContentRange("BYTES */10") == ContentRange(range: nil, size: 10))
        for text in ["bytes 0-4/10", "bytes 0-4/*", "bytes */10"] { #expect(ContentRange(text)?.description == text) }
        for text in [
            "", "bytes", "bytes 0-4", "bytes */*", "bytes 4-0/10", "bytes 0-10/10", "lines 0-4/10", "bytes=0-4/10",
            "bytes 0-4/10 x",
            "bytes -4/10", "bytes 0-/10", "bytes 0-9223372036854775807/*", "bytes 0-99999999999999999999/*",
        ] {
            #expect(ContentRange(text) == nil, "\(text)")
        }
        #expect(ContentRange(range: 0..<0, size: 10) == nil && ContentRange(range: nil, size: -1) == nil)
        #expect(ContentRange(range: 0..<Int.max, size: nil)?.description == "bytes 0-9223372036854775806/*")
    }

    @Test("Entity tags compare strongly and weakly as the table of RFC 9110 §8.8.3.2 has it")
    func tags() throws {
        let rows: [(String, String, Bool, Bool)] = [
            ("W/\"1\"", "W/\"1\"", false, true), ("W/\"1\"", "W/\"2\"", false, false),
            ("W/\"1\"", "\"1\"", false, true),
            ("\"1\"", "\"1\"", true, true), ("\"\"", "\"\"", true, true),
        ]
        for (left, right, strong, weak) in rows {
            let one = try #require(EntityTag(left))
            let other = try #require(EntityTag(right))
            #expect(one.matchesStrongly(other) == strong && one.matchesWeakly(other) == weak)
            #expect(other.matchesStrongly(one) == strong && other.matchesWeakly(one) == weak)
            #expect(one.description == left)
        }
        for text in ["", "1", "\"1", "w/\"1\"", "W\"1\"", "\"a b\"", "\"a\"b\"", "\"1\" x", "*"] {
            #expect(EntityTag(text) == nil, "\(text)")
        }
        #expect(
            EntityTag(tag: "a\"b") == nil && EntityTag(tag: "a\r\nb") == nil
                && EntityTag(tag: "ü")?.description == "\"ü\""
        )
    }

    @Test("If-None-Match lists, and If-Range")
    func conditions() throws {
        #expect(EntityTag.Condition(["*"]) == .any)
        let first = try #require(EntityTag("\"a,b\""))
        let second = try #require(EntityTag("W/\"c\""))
        #expect(EntityTag.Condition(["\"a,b\" ,, W/\"c\""]) == .tags([first, second]))
        #expect(EntityTag.Condition(["\"a,b\"", "W/\"c\""]) == .tags([first, second]))
        for values in [[], [""], ["*", "\"a\""], ["\"a\" \"b\""], ["a"], ["*x"]] {
            #expect(EntityTag.Condition(values) == nil)
        }
        #expect(IfRange("\"a,b\"")?.matches(tag: first, lastModified: nil) == true)
        #expect(IfRange("W/\"c\"")?.matches(tag: second, lastModified: nil) == false, "weak tags never match")
        let date = try #require(IfRange("Sun, 06 Nov 1994 08:49:37 GMT"))
        #expect(date.matches(tag: nil, lastModified: HTTPTimestamp(secondsSince1970: 784_111_777)))
        #expect(!date.matches(tag: nil, lastModified: HTTPTimestamp(secondsSince1970: 784_111_776)))
        #expect(!date.matches(tag: first, lastModified: nil))
        #expect(date.description == "Sun, 06 Nov 1994 08:49:37 GMT" && IfRange("x") == nil)
    }
}
