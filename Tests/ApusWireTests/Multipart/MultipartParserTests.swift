import ApusWire
import HTTPTypes
import Testing

/// What a parser said, data joined: where it was cut means nothing.
enum SeenPart: Equatable, CustomStringConvertible {
    case part([String])
    case data(String)
    case endOfPart
    case end
    case failed(MultipartError.Code)

    var description: String {
        switch self {
        case .part(let fields): "part(\(fields))"
        case .data(let text): "data(\(text.debugDescription))"
        case .endOfPart: "endOfPart"
        case .end: "end"
        case .failed(let code): "failed(\(code))"
        }
    }
}

/// Feeds these pieces, and the end.
func parseMultipart(
    _ pieces: [ArraySlice<UInt8>],
    boundary: String = "b",
    limits: MultipartLimits = MultipartLimits()
) throws -> [SeenPart] {
    var parser = try MultipartParser(boundary: MultipartBoundary(boundary), limits: limits)
    var seen: [SeenPart] = []
    for index in 0...pieces.count {
        if index < pieces.count { parser.receive(pieces[index]) } else { parser.receiveEOF() }
        loop: while true {
            do {
                switch try parser.next() {
                case .part(let fields): seen.append(.part(fields.map { "\($0.name.rawName): \($0.value)" }))
                case .data(let bytes):
                    if case .data(let before) = seen.last {
                        seen[seen.count - 1] = .data(before + latin1(bytes))
                    } else {
                        seen.append(.data(latin1(bytes)))
                    }
                case .endOfPart: seen.append(.endOfPart)
                case .end:
                    if seen.last != .end { seen.append(.end) }
                    break loop
                case .needData: break loop
                }
            } catch let error as MultipartError {
                seen.append(.failed(error.code))
                return seen
            }
        }
    }
    return seen
}

/// Whole, byte by byte, and in pieces of a few sizes: the same each time.
func parseMultipartAllWays(
    _ text: String,
    boundary: String = "b",
    limits: MultipartLimits = MultipartLimits()
) throws -> [SeenPart] {
    let bytes = Array(text.utf8)
    let whole = try parseMultipart([bytes[...]], boundary: boundary, limits: limits)
    for size in [1, 2, 3, 7] {
        let pieces = stride(from: 0, to: bytes.count, by: size).map { bytes[$0..<min($0 + size, bytes.count)] }
        let cut = try parseMultipart(pieces, boundary: boundary, limits: limits)
        #expect(cut == whole, "pieces of \(size)")
    }
    return whole
}

/// C112: multipart bodies as they are received.
@Suite struct MultipartParserTests {
    static let rows: [(String, [SeenPart])] = [
        (
            "--b\r\nA: 1\r\n\r\nhello\r\n--b--\r\n",
            [.part(["A: 1"]), .data("hello"), .endOfPart, .end]
        ),
        ("--b\r\n\r\n\r\n--b--", [.part([]), .endOfPart, .end]),
        // An empty part, as some write it: the boundary's line end is that of the empty line.
        ("--b\r\n\r\n--b--", [.part([]), .endOfPart, .end]),
        ("--b--\r\nepilogue", [.end]),
        ("preamble\r\n--b\r\n\r\nx\r\n--b--\r\nepilogue\r\n--b\r\n\r\n", [.part([]), .data("x"), .endOfPart, .end]),
        ("--b \t \r\n\r\nx\r\n--b-- \t", [.part([]), .data("x"), .endOfPart, .end]),
        (
            "--b\r\n\r\n\r\n\r--b\r\n--\r\n-b\n--b\r\r\n--b--",
            [.part([]), .data("\r\n\r--b\r\n--\r\n-b\n--b\r"), .endOfPart, .end]
        ),
        ("--b\r\n\r\n--b\r\n\r\n--b--", [.part([]), .endOfPart, .part([]), .endOfPart, .end]),
        (
            "--b\r\nA:  x \r\n\ty\r\nB:\r\n\r\n1\r\n--b\r\na-b: c:d\r\n\r\n2\r\n--b--",
            [.part(["A: x \ty", "B: "]), .data("1"), .endOfPart, .part(["a-b: c:d"]), .data("2"), .endOfPart, .end]
        ),
        // Nested: the inner one is data.
        (
            "--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\nx\r\n--c--\r\n\r\n--b--",
            [
                .part(["Content-Type: multipart/mixed; boundary=c"]), .data("--c\r\n\r\nx\r\n--c--\r\n"), .endOfPart,
                .end,
            ]
        ),
        // Errors.
        ("", [.failed(.noBoundary)]), ("hello", [.failed(.noBoundary)]), ("x--b--", [.failed(.noBoundary)]),
        ("\n--b\r\n\r\n", [.failed(.noBoundary)]),
        ("--b", [.failed(.closedInHeaders)]), ("--b-", [.failed(.closedInHeaders)]),
        ("--b\r\nA: 1\r\n", [.failed(.closedInHeaders)]),
        ("--b\r\n\r\nx", [.part([]), .data("x"), .failed(.closedInPart)]),
        ("--b\r\n\r\nx\r\n--", [.part([]), .data("x"), .failed(.closedInPart)]),
        ("--b\r\n\r\nx\r\n--b", [.part([]), .data("x"), .endOfPart, .failed(.closedInHeaders)]),
        ("--b\r\n\r\nx\n--b--\n", [.part([]), .data("x\n--b--\n"), .failed(.closedInPart)]),
        ("--b\n\nx\n--b--\n", [.failed(.malformedLineEnding)]),
        ("--b\r\nA: 1\n\r\n", [.failed(.malformedLineEnding)]),
        ("--b\r\nA: 1\rB: 2\r\n\r\n", [.failed(.malformedLineEnding)]),
        ("--b\r\n\n", [.failed(.malformedLineEnding)]),
        ("--bc\r\n\r\n", [.failed(.malformedBoundary)]), ("--b-x", [.failed(.malformedBoundary)]),
        ("--b\rx", [.failed(.malformedBoundary)]), ("--b x\r\n", [.failed(.malformedBoundary)]),
        ("--b\r\nno colon\r\n\r\n", [.failed(.malformedField)]), ("--b\r\n: x\r\n\r\n", [.failed(.malformedField)]),
        ("--b\r\nA : x\r\n\r\n", [.failed(.malformedField)]), ("--b\r\n A: x\r\n\r\n", [.failed(.malformedField)]),
        ("--b\r\nA: \u{1}\r\n\r\n", [.failed(.malformedField)]), ("--b\r\nA: \0\r\n\r\n", [.failed(.malformedField)]),
    ]

    @Test("C112: a body is taken apart, however it arrives", arguments: rows)
    func parses(_ text: String, _ expected: [SeenPart]) throws {
        let seen = try parseMultipartAllWays(text)
        #expect(seen == expected)
    }

    @Test("Limits: header bytes, header fields, parts, padding; at the limit and past it")
    func limits() throws {
        var limits = MultipartLimits()
        limits.headerBytes = 8
        #expect(try parseMultipartAllWays("--b\r\nA: 1\r\n\r\n--b--", limits: limits).last == .end)
        #expect(
            try parseMultipartAllWays("--b\r\nA: 12\r\n\r\n--b--", limits: limits).last == .failed(.headersTooLarge)
        )
        #expect(try parseMultipartAllWays("--b\r\nA: 123456789", limits: limits).last == .failed(.headersTooLarge))
        limits = MultipartLimits()
        limits.fieldCount = 2
        #expect(try parseMultipartAllWays("--b\r\nA: 1\r\nA: 2\r\n\r\n--b--", limits: limits).last == .end)
        #expect(
            try parseMultipartAllWays("--b\r\nA: 1\r\nA: 2\r\nA: 3\r\n\r\n", limits: limits).last
                == .failed(.tooManyFields)
        )
        limits.partCount = 1
        #expect(try parseMultipartAllWays("--b\r\n\r\n--b--", limits: limits).last == .end)
        #expect(try parseMultipartAllWays("--b\r\n\r\n--b\r\n\r\n--b--", limits: limits).last == .failed(.tooManyParts))
        let spaces = String(repeating: " ", count: 128)
        #expect(try parseMultipartAllWays("--b\(spaces)\r\n\r\n--b--").last == .end)
        #expect(try parseMultipartAllWays("--b\(spaces) ").last == .failed(.malformedBoundary))
    }

    @Test("The boundary comes from the content type, and must be there")
    func contentType() throws {
        let type = try #require(MediaType("multipart/form-data; boundary=\"a b\""))
        var parser = try MultipartParser(contentType: type)
        parser.receive(Array("--a b--".utf8))
        #expect(try parser.next() == .end)
        for text in [
            "multipart/mixed", "text/plain; boundary=b", "multipart/mixed; boundary=\"\"",
            "multipart/x; boundary=a\u{1}",
        ] {
            let type = try #require(MediaType(text))
            #expect(throws: MultipartError.self) { try MultipartParser(contentType: type) }
        }
    }

    @Test("An error is thrown again and again, and what comes after the end is dropped")
    func after() throws {
        var parser = try MultipartParser(boundary: MultipartBoundary("b"))
        parser.receive(Array("--bx".utf8))
        for _ in 0..<3 { #expect(throws: MultipartError.self) { try parser.next() } }
        parser = try MultipartParser(boundary: MultipartBoundary("b"))
        parser.receive(Array("--b--".utf8))
        for _ in 0..<3 {
            #expect(try parser.next() == .end)
            parser.receive([1, 2, 3])
        }
    }

    @Test("A body of many tiny parts, and a megabyte of near-boundaries byte by byte, take time in proportion")
    func proportion() throws {
        var limits = MultipartLimits()
        limits.partCount = .max
        var parser = try MultipartParser(boundary: MultipartBoundary("b"), limits: limits)
        parser.receive(Array(String(repeating: "--b\r\n\r\nx\r\n", count: 50_000).utf8) + Array("--b--".utf8))
        var parts = 0
        while true {
            let event = try parser.next()
            if case .part = event { parts += 1 }
            if event == .end { break }
        }
        #expect(parts == 50_000)
        let boundary = String(repeating: "-", count: 69) + "b"
        var other = try MultipartParser(boundary: MultipartBoundary(boundary))
        let near = Array(("\r\n--" + String(repeating: "-", count: 69)).utf8)
        var size = 0
        other.receive(Array("--\(boundary)\r\n\r\n".utf8))
        for _ in 0..<1_000 {
            for byte in near {
                other.receive([byte])
                while case let event = try other.next(), event != .needData {
                    if case .data(let bytes) = event { size += bytes.count }
                }
            }
        }
        #expect(size >= 999 * near.count)
    }

    @Test("What the plan writes, the parser reads; random damage gives events or an error, the same however it is cut")
    func fuzz() throws {
        let seed: UInt64 = 0x3417
        var random = SplitMix(seed: seed)
        let inserts = [
            "\r", "\n", "\r\n", "--", "--b", "\r\n--b", "\r\n--b--", "\r\n--b\r\n", ":", " ", "\r\n\r\n", "A: b\r\n",
            "\0",
        ]
        for round in 0..<4_000 {
            var text = ""
            for _ in 0..<random.next() % 4 {
                text += "--b\r\nA: \(random.next() % 10)\r\n\r\n"
                for _ in 0..<random.next() % 3 { text += inserts[Int(random.next() % 5)] + "x" }
                text += "\r\n"
            }
            var bytes = Array((text + "--b--\r\n").utf8)
            for _ in 0..<random.next() % 4 {
                let place = Int(random.next() % UInt64(bytes.count))
                switch random.next() % 4 {
                case 0: bytes[place] = UInt8(truncatingIfNeeded: random.next())
                case 1: if bytes.count > 1 { bytes.remove(at: place) }
                case 2: bytes.removeLast(max(0, min(bytes.count - 1, place / 4)))
                default: bytes.insert(contentsOf: inserts[Int(random.next() % UInt64(inserts.count))].utf8, at: place)
                }
            }
            let whole = try parseMultipart([bytes[...]])
            var pieces: [ArraySlice<UInt8>] = []
            var start = 0
            while start < bytes.count {
                let end = min(bytes.count, start + 1 + Int(random.next() % 9))
                pieces.append(bytes[start..<end])
                start = end
            }
            let cut = try parseMultipart(pieces)
            if whole != cut {
                Issue.record(
                    "seed \(seed), round \(round): \(latin1(bytes).debugDescription)\nwhole: \(whole)\ncut: \(cut)"
                )
                return
            }
        }
    }
}
