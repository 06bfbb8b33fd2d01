import ApusWire
import HTTPTypes
import Testing

/// Each limit is passed at its value and refused one past it, however the bytes arrive.
@Suite struct HTTP1LimitsTests {
    struct Row: Sendable, CustomTestStringConvertible {
        let name: String
        let limits: HTTP1Limits
        let code: HTTP1Error.Code
        /// The input whose measured part has this size.
        let text: @Sendable (Int) -> String
        let limit: Int
        var role = HTTP1Role.server
        var testDescription: String { name }
    }

    private static func limits(_ change: (inout HTTP1Limits) -> Void) -> HTTP1Limits {
        var limits = HTTP1Limits()
        change(&limits)
        return limits
    }

    private static func fill(_ count: Int) -> String { String(repeating: "a", count: count) }

    static let rows: [Row] = [
        Row(
            name: "startLine",
            limits: limits { $0.startLine = 100 },
            code: .startLineTooLong,
            text: { "GET /\(fill($0 - 14)) HTTP/1.1\r\nHost: h\r\n\r\n" },
            limit: 100
        ),
        Row(
            name: "startLine of a response",
            limits: limits { $0.startLine = 100 },
            code: .startLineTooLong,
            text: { "HTTP/1.1 204 \(fill($0 - 13))\r\n\r\n" },
            limit: 100,
            role: .client
        ),
        Row(
            name: "fieldLine",
            limits: limits { $0.fieldLine = 100 },
            code: .fieldLineTooLong,
            text: { "GET / HTTP/1.1\r\nHost: h\r\nA: \(fill($0 - 3))\r\n\r\n" },
            limit: 100
        ),
        Row(
            name: "fieldCount",
            limits: limits { $0.fieldCount = 20 },
            code: .tooManyFields,
            text: { "GET / HTTP/1.1\r\nHost: h\r\n\(String(repeating: "A: b\r\n", count: $0 - 1))\r\n" },
            limit: 20
        ),
        Row(
            name: "head",
            limits: limits { $0.head = 100 },
            code: .headTooLarge,
            text: { "GET / HTTP/1.1\r\nHost: h\r\nA: \(fill($0 - 32))\r\n\r\n" },
            limit: 100
        ),
        Row(
            name: "head, by its start line",
            limits: limits { $0.head = 100 },
            code: .headTooLarge,
            text: { "GET /\(fill($0 - 26)) HTTP/1.0\r\nA: bbb\r\n\r\n" },
            limit: 100
        ),
        Row(
            name: "chunkSizeLine",
            limits: limits { $0.chunkSizeLine = 50 },
            code: .chunkLineTooLong,
            text: {
                "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0;\(fill($0 - 2))\r\n\r\n"
            },
            limit: 50
        ),
        Row(
            name: "chunkExtensions",
            limits: limits { $0.chunkExtensions = 50 },
            code: .chunkLineTooLong,
            text: {
                "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1;\(fill(29))\r\nx\r\n0;\(fill($0 - 31))\r\n\r\n"
            },
            limit: 50
        ),
        Row(
            name: "trailers",
            limits: limits { $0.trailers = 50 },
            code: .trailersTooLarge,
            text: {
                "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: \(fill($0 - 7))\r\n\r\n"
            },
            limit: 50
        ),
        Row(
            name: "fieldCount of trailers",
            limits: limits { $0.fieldCount = 20 },
            code: .tooManyFields,
            text: {
                "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
                    + String(repeating: "A: b\r\n", count: $0) + "\r\n"
            },
            limit: 20
        ),
        Row(
            name: "interimResponses",
            limits: limits { $0.interimResponses = 5 },
            code: .tooManyInterimResponses,
            text: { String(repeating: "HTTP/1.1 103 X\r\n\r\n", count: $0) + "HTTP/1.1 204 X\r\n\r\n" },
            limit: 5,
            role: .client
        ),
    ]

    @Test("A limit is passed at its value and refused one past it", arguments: rows)
    func edge(_ row: Row) throws {
        let atLimit = try decodeAllWays(row.role, row.text(row.limit), limits: row.limits)
        #expect(atLimit.contains(.end(trailers: [])) || "\(atLimit)".contains("end("), "\(atLimit)")
        let past = try decodeAllWays(row.role, row.text(row.limit + 1), limits: row.limits)
        #expect(past.last == .failed(row.code))
    }

    @Test("An error about a limit names it and its value", arguments: rows)
    func naming(_ row: Row) throws {
        var connection = HTTP1Connection(role: row.role, limits: row.limits)
        if row.role == .client {
            try connection.sendRequest(
                method: .get,
                target: [0x2F],
                prepared: Array("Host: h\r\n".utf8),
                fields: [:],
                body: .none
            )
        }
        connection.receive(Array(row.text(row.limit + 1).utf8))
        let error = #expect(throws: HTTP1Error.self) {
            for _ in 0..<100 { _ = try connection.next() }
        }
        #expect(error?.message.contains("HTTP1Limits.\(row.name.prefix { $0.isLetter || $0.isNumber })") == true)
        #expect(error?.message.contains(" \(row.limit) ") == true)
    }

    @Test("A line without end is refused as soon as it passes the limit, not stored for ever")
    func endless() throws {
        var connection = HTTP1Connection(role: .server)
        let piece = [UInt8](repeating: 0x61, count: 4096)
        var fed = 0
        #expect(throws: HTTP1Error.self) {
            while fed < 1 << 20 {
                connection.receive(piece)
                fed += piece.count
                _ = try connection.next()
            }
        }
        #expect(fed <= 5 * 4096)
    }

    @Test("Limits below what any message needs refuse instead of trapping")
    func tinyLimits() throws {
        for value in [Int.min, -1, 0, 1, 2, Int.max] {
            var limits = HTTP1Limits()
            limits.startLine = max(value, -1)
            limits.fieldLine = max(value, -1)
            limits.fieldCount = value
            limits.head = value
            limits.chunkSizeLine = max(value, -1)
            limits.chunkExtensions = value
            limits.trailers = value
            limits.interimResponses = value
            _ = try decodeAllWays(
                .server,
                "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1;a\r\nx\r\n0\r\nA: b\r\n\r\n",
                limits: limits
            )
        }
    }
}
