import ApusWire
import HTTPTypes
import Testing

/// What a connection reported, in a form that can be compared and read. Neighbouring pieces of a body are joined,
/// since their borders depend on how the bytes arrived.
enum Seen: Equatable, CustomStringConvertible {
    case request(String, fields: [String])
    case informational(Int)
    case response(Int, fields: [String])
    case data(String)
    case end(trailers: [String])
    case closed
    case upgraded(rest: String)
    case failed(HTTP1Error.Code)

    var description: String {
        switch self {
        case .request(let line, let fields): "request(\(line), \(fields))"
        case .informational(let status): "informational(\(status))"
        case .response(let status, let fields): "response(\(status), \(fields))"
        case .data(let text): "data(\(text.count > 60 ? "\(text.count) bytes" : text.debugDescription))"
        case .end(let trailers): trailers.isEmpty ? "end" : "end(\(trailers))"
        case .closed: "closed"
        case .upgraded(let rest): "upgraded(\(rest))"
        case .failed(let code): "failed(\(code))"
        }
    }
}

/// One character per byte: unlike UTF-8, pieces cut anywhere join to the same text.
func latin1(_ bytes: [UInt8]) -> String {
    String(String.UnicodeScalarView(bytes.map { Unicode.Scalar($0) }))
}

/// One end of a connection that is fed and records what it sees. A client sends a request before each response, a
/// server answers each request, so that cycles go on.
struct Recorder: ~Copyable {
    var connection: HTTP1Connection
    var seen: [Seen] = []
    let method: HTTPRequest.Method
    let upgrade: Bool
    private var isOver = false

    init(
        _ role: HTTP1Role,
        method: HTTPRequest.Method = .get,
        upgrade: Bool = false,
        limits: HTTP1Limits = HTTP1Limits()
    ) throws {
        connection = HTTP1Connection(role: role, limits: limits)
        self.method = method
        self.upgrade = upgrade
        if role == .client { try ask() }
    }

    private mutating func ask() throws {
        var fields: HTTPFields = [:]
        if upgrade { fields = [.upgrade: "test", .connection: "upgrade"] }
        try connection.sendRequest(
            method: method,
            target: Array(method == .connect ? "h:1".utf8 : "/".utf8),
            prepared: Array("Host: h\r\n".utf8),
            fields: fields,
            body: .none
        )
        connection.consumeOutput(connection.output.count)
    }

    private mutating func answer() throws {
        if upgrade {
            try connection.sendResponse(status: .switchingProtocols, prepared: [], fields: [:], body: .none)
        } else {
            try connection.sendResponse(status: .ok, prepared: [], fields: [:], body: .none)
        }
        connection.consumeOutput(connection.output.count)
    }

    mutating func feed(_ bytes: ArraySlice<UInt8>) {
        bytes.withUnsafeBytes { connection.receive($0) }
        drain()
    }

    mutating func feedEOF() {
        connection.receiveEOF()
        drain()
    }

    private mutating func drain() {
        while !isOver {
            do {
                switch try connection.next() {
                case .needData: return
                case .paused:
                    if connection.role == .server, connection.localState == .responding { try answer() }
                    guard connection.remoteState == .done, connection.localState == .done else {
                        if connection.remoteState == .switched { continue }
                        return
                    }
                    // A client ends here if the server has sent more than was asked for; tests look at that apart.
                    if connection.role == .client {
                        isOver = true
                        return
                    }
                    try connection.startNextCycle()
                case .request(let head):
                    seen.append(
                        .request(
                            "\(head.method.rawValue) \(head.target) 1.\(head.versionMinor)",
                            fields: lines(head.block)
                        )
                    )
                case .informational(let head): seen.append(.informational(head.statusCode))
                case .response(let head): seen.append(.response(head.statusCode, fields: lines(head.block)))
                case .data(let piece):
                    let text = latin1(connection.copy(piece))
                    if case .data(let before) = seen.last {
                        seen[seen.count - 1] = .data(before + text)
                    } else {
                        seen.append(.data(text))
                    }
                case .end(let trailers):
                    seen.append(.end(trailers: (trailers ?? [:]).map { "\($0.name.rawName): \($0.value)" }))
                case .closed:
                    seen.append(.closed)
                    isOver = true
                case .upgraded:
                    let rest = latin1(connection.takeRemainingInput())
                    if case .upgraded(let before) = seen.last {
                        seen[seen.count - 1] = .upgraded(rest: before + rest)
                    } else {
                        seen.append(.upgraded(rest: rest))
                    }
                    return
                }
            } catch {
                seen.append(.failed((error as? HTTP1Error)?.code ?? .wrongState))
                isOver = true
            }
        }
    }

    private func lines(_ block: HTTP1FieldBlock) -> [String] {
        block.fields.map { "\($0.name.rawName): \($0.value)" }
    }
}

/// Feeds the bytes whole, byte by byte, and cut in two at each place (up to 300 of them); expects the same each time.
func decodeAllWays(
    _ role: HTTP1Role,
    _ text: String,
    method: HTTPRequest.Method = .get,
    upgrade: Bool = false,
    limits: HTTP1Limits = HTTP1Limits(),
    eof: Bool = true,
    sourceLocation: SourceLocation = #_sourceLocation
) throws -> [Seen] {
    try decodeAllWays(
        role,
        Array(text.utf8),
        method: method,
        upgrade: upgrade,
        limits: limits,
        eof: eof,
        sourceLocation: sourceLocation
    )
}

func decodeAllWays(
    _ role: HTTP1Role,
    _ bytes: [UInt8],
    method: HTTPRequest.Method = .get,
    upgrade: Bool = false,
    limits: HTTP1Limits = HTTP1Limits(),
    eof: Bool = true,
    sourceLocation: SourceLocation = #_sourceLocation
) throws -> [Seen] {
    var whole = try Recorder(role, method: method, upgrade: upgrade, limits: limits)
    whole.feed(bytes[...])
    if eof { whole.feedEOF() }
    var single = try Recorder(role, method: method, upgrade: upgrade, limits: limits)
    for index in bytes.indices { single.feed(bytes[index...index]) }
    if eof { single.feedEOF() }
    let expected = whole.seen
    #expect(single.seen == expected, "byte by byte", sourceLocation: sourceLocation)
    for cut in stride(from: 1, to: bytes.count, by: max(1, bytes.count / 300)) {
        var halves = try Recorder(role, method: method, upgrade: upgrade, limits: limits)
        halves.feed(bytes[..<cut])
        halves.feed(bytes[cut...])
        if eof { halves.feedEOF() }
        if halves.seen != expected {
            Issue.record("cut at \(cut): \(halves.seen), whole: \(expected)", sourceLocation: sourceLocation)
        }
    }
    return expected
}
