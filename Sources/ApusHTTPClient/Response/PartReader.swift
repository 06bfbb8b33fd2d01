import ApusWire
import HTTPTypes
import Synchronization

/// Where a multipart body's bytes come from: a response, or a part of another multipart.
protocol PieceSource: Sendable {
    mutating func nextPiece() async throws -> [UInt8]?
}

/// Takes a multipart body apart, for the sequence of parts and for the parts. One task at a time: another one is told so.
final class PartReader: Sendable {
    private struct State: Sendable {
        var source: any PieceSource
        var parser: MultipartParser
        /// The number of the part that is being read, from 1 on.
        var part = 0
        /// Whether that part's end has not come yet.
        var isInPart = false
        var isAtEnd = false
        var failure: (any Error)?
    }

    private let exchange: Exchange
    /// Nil while a task is at it.
    private let state: Mutex<State?>

    init(_ source: some PieceSource, _ parser: MultipartParser, _ exchange: Exchange) {
        self.exchange = exchange
        state = Mutex(State(source: source, parser: parser))
    }

    /// The next part's number and fields; what is left of the part before is skipped. Nil at the end.
    func nextPart() async throws -> (number: Int, fields: HTTPFields)? {
        try await exclusively { state in
            while !state.isAtEnd {
                switch try await self.event(&state) {
                case .part(let fields):
                    state.part += 1
                    state.isInPart = true
                    return (state.part, fields)
                case .end:
                    state.isAtEnd = true
                    // To the end of the body, so that its connection can be used again.
                    while try await state.source.nextPiece() != nil {}
                case .data, .endOfPart, .needData: continue
                }
            }
            return nil
        }
    }

    /// The next bytes of a part; nil at its end.
    func nextData(of part: Int) async throws -> [UInt8]? {
        try await exclusively { state in
            guard part == state.part else {
                throw self.exchange.error(.bodyConsumed, "This part is over: the next one has been asked for since.")
            }
            while state.isInPart {
                switch try await self.event(&state) {
                case .data(let bytes): return bytes
                case .endOfPart: state.isInPart = false
                case .part, .end, .needData: continue
                }
            }
            return nil
        }
    }

    private func exclusively<Success>(_ body: (inout State) async throws -> Success) async throws -> Success {
        let taken = state.withLock { state in
            defer { state = nil }
            return state
        }
        guard var taken else { throw exchange.error(.bodyConsumed, "Another task is reading this body.") }
        defer { state.withLock { [taken] in $0 = taken } }
        if let failure = taken.failure { throw failure }
        do {
            return try await body(&taken)
        } catch let error as MultipartError {
            let described = exchange.error(
                .malformedResponse,
                "The body is no proper multipart: \(error.message).",
                cause: error
            )
            taken.failure = described
            throw described
        }
    }

    /// The parser's next event that is not `.needData`.
    private func event(_ state: inout State) async throws -> MultipartParser.Event {
        while true {
            let event = try state.parser.next()
            guard event == .needData else { return event }
            if let piece = try await state.source.nextPiece() {
                state.parser.receive(piece)
            } else {
                state.parser.receiveEOF()
            }
        }
    }
}
