/// One step of what a scripted peer does: see ``ScriptedPeer`` (in memory) and ``FaultyServer`` (a real socket).
///
/// ```swift
/// let peer = ScriptedPeer([
///     .expectRequest, .send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", pieces: 1), .wait(.seconds(61)), .send("lo"),
/// ])
/// ```
///
/// After its last step a peer does nothing more, and keeps the connection open.
public struct ScriptStep: Sendable {
    enum Kind: Sendable {
        case expect([UInt8])
        case expectCount(Int)
        case expectHead
        case expectRequest
        case send([UInt8], piece: Int, interval: Duration)
        case wait(Duration)
        case stall
        case finish
        case reset
        case take(Int)
        case perform(@Sendable () -> Void)
        case refuse
        case neverConnect
    }

    var kind: Kind

    /// Waits until the other side has sent exactly these bytes; others end the script with an error.
    public static func expect(_ bytes: [UInt8]) -> ScriptStep { ScriptStep(kind: .expect(bytes)) }

    /// Waits until the other side has sent exactly this text; another ends the script with an error.
    public static func expect(_ text: String) -> ScriptStep { .expect(Array(text.utf8)) }

    /// Waits until the other side has sent this many bytes more, whatever they are.
    public static func expect(count: Int) -> ScriptStep { ScriptStep(kind: .expectCount(count)) }

    /// Waits for a message's head, to its empty line.
    public static var expectHead: ScriptStep { ScriptStep(kind: .expectHead) }

    /// Waits for a message's head, and for a body if the head states a Content-Length.
    public static var expectRequest: ScriptStep { ScriptStep(kind: .expectRequest) }

    /// Sends bytes.
    ///
    /// - Parameters:
    ///   - pieces: how many bytes arrive at a time; 0 for all at once, together with what the next steps do.
    ///   - interval: how long to wait behind each piece; by default one turn of the loop.
    public static func send(_ bytes: [UInt8], pieces: Int = 0, every interval: Duration = .zero) -> ScriptStep {
        ScriptStep(kind: .send(bytes, piece: pieces, interval: interval))
    }

    /// Sends a text: see ``send(_:pieces:every:)-([UInt8],_,_)``.
    public static func send(_ text: String, pieces: Int = 0, every interval: Duration = .zero) -> ScriptStep {
        .send(Array(text.utf8), pieces: pieces, every: interval)
    }

    /// Waits, by the loop's clock.
    public static func wait(_ duration: Duration) -> ScriptStep { ScriptStep(kind: .wait(duration)) }

    /// Does nothing for ever.
    public static var stall: ScriptStep { ScriptStep(kind: .stall) }

    /// Closes the sending side: the other side reads an end. Together with a `send` before it, both arrive in one event.
    public static var finish: ScriptStep { ScriptStep(kind: .finish) }

    /// Breaks the connection off: the other side's next call fails with `.connectionReset`.
    public static var reset: ScriptStep { ScriptStep(kind: .reset) }

    /// Takes this many bytes more of what the other side writes, and then none, until another `take`.
    public static func take(_ count: Int) -> ScriptStep { ScriptStep(kind: .take(count)) }

    /// Takes whatever the other side writes, as at the beginning.
    public static var takeAll: ScriptStep { .take(.max) }

    /// Runs `body`, which must not block. A place for a test to act at a known moment.
    public static func perform(_ body: @escaping @Sendable () -> Void) -> ScriptStep {
        ScriptStep(kind: .perform(body))
    }

    /// As the first step: the connection is refused.
    public static var refuse: ScriptStep { ScriptStep(kind: .refuse) }

    /// As the first step: the connection is neither made nor refused.
    public static var neverConnect: ScriptStep { ScriptStep(kind: .neverConnect) }
}

extension ScriptStep {
    /// How many of `bytes` make a message: head, and body by Content-Length. Nil if more must come.
    static func messageLength(_ bytes: [UInt8], headOnly: Bool) -> Int? {
        guard let end = headEnd(bytes) else { return nil }
        if headOnly { return end }
        let lines = String(decoding: bytes[..<end], as: UTF8.self).split(separator: "\r\n")
        let field = lines.first { $0.lowercased().hasPrefix("content-length:") }
        let length = field.flatMap { Int($0.drop { $0 != ":" }.dropFirst().filter(\.isNumber)) } ?? 0
        return bytes.count >= end + length ? end + length : nil
    }

    private static func headEnd(_ bytes: [UInt8]) -> Int? {
        guard bytes.count >= 4 else { return nil }
        for index in 3..<bytes.count
        where bytes[index] == 10 && bytes[index - 1] == 13 && bytes[index - 2] == 10 && bytes[index - 3] == 13 {
            return index + 1
        }
        return nil
    }
}

extension ScriptStep {
    /// How many bytes the step sends.
    public var byteCount: Int {
        if case .send(let bytes, _, _) = kind { bytes.count } else { 0 }
    }

    /// The same step, with what it sends in pieces of `count` bytes.
    public func inPieces(of count: Int) -> ScriptStep {
        guard case .send(let bytes, _, let interval) = kind else { return self }
        return .send(bytes, pieces: count, every: interval)
    }
}
