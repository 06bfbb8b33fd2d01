import ApusHTTPClient
import ApusRuntime
import ApusTesting

/// What servers and requests do by chance, where anything may go wrong.
enum RandomFaults {
    /// Up to five good responses, each after `request`: in one piece, in several, chunked, and a large one.
    ///
    /// - Parameters:
    ///   - size: of the large one's body.
    ///   - pause: before the one in several pieces.
    static func responses(
        to request: ScriptStep,
        size: Int,
        pause: Duration? = nil,
        using random: inout SplitMix
    ) -> [ScriptStep] {
        var steps: [ScriptStep] = []
        for _ in 0..<Int.random(in: 0..<6, using: &random) {
            steps.append(request)
            switch Int.random(in: 0..<4, using: &random) {
            case 0: steps.append(.send(okResponse))
            case 1:
                steps.append(
                    .send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", pieces: 9)
                )
            case 2:
                if let pause { steps.append(.wait(pause)) }
                steps.append(.send(okResponse, pieces: 3))
            default:
                let body = String(repeating: "k", count: size)
                steps.append(.send("HTTP/1.1 200 OK\r\nContent-Length: \(size)\r\n\r\n" + body))
            }
        }
        return steps
    }

    /// How many there are of ``fault(_:after:)``.
    static let count = 10

    /// The end of a connection that goes wrong.
    static func fault(_ number: Int, after request: ScriptStep) -> [ScriptStep] {
        switch number {
        case 0: [request, .finish]
        case 1: [request, .reset]
        case 2: [request, .send("HTTP/1.1 200 O"), .finish]
        case 3: [request, .send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"), .finish]
        case 4: [request, .send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", pieces: 5), .reset]
        case 5: [request, .send("nonsense\r\n\r\n")]
        case 6: [request, .send(okResponse + "more")]
        case 7: [request, .send(okResponse), .finish]
        case 8: [.reset]
        default: [request, .send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"), .stall]
        }
    }

    /// Sends a request, reads its response or forgets it unread, and cancels it once in eight times, after some turns of the loop.
    ///
    /// - Returns: "ok", "cancelled", or the error's code.
    /// - Throws: what is no error of a client.
    static func outcome(
        using random: inout SplitMix,
        of request: @escaping @Sendable () async throws -> ClientResponse
    ) async throws -> String {
        let leaves = Int.random(in: 0..<10, using: &random) == 0
        let task = EventLoop.spawn {
            let response = try await request()
            if !leaves { _ = try await response.bytes() }
        }
        if Int.random(in: 0..<8, using: &random) == 0 {
            for _ in 0..<Int.random(in: 0..<12, using: &random) { await turn() }
            task.cancel()
        }
        do {
            try await task.value
            return "ok"
        } catch is CancellationError {
            return "cancelled"
        } catch let error as ClientError {
            return "\(error.code)"
        }
    }
}
