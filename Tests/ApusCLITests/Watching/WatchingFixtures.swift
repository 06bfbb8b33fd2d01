import Apus
import Synchronization

@testable import ApusCLI

/// A clock that goes as it is told.
final class HandClock: Sendable {
    private let time = Mutex(Duration.zero)

    var clock: RunClock { RunClock { self.time.withLock { $0 } } }

    func advance(_ duration: Duration) { time.withLock { $0 += duration } }
}

extension Terminal {
    /// One that tests see: its number is nobody's.
    static func fake(
        _ descriptor: Int32,
        isLive: Bool = true,
        isStyled: Bool = false,
        isUTF8: Bool = true,
        columns: Int = 80,
        rows: Int = 24
    ) -> Terminal {
        var terminal = Terminal(
            descriptor: descriptor,
            isTerminal: isLive,
            isLive: isLive,
            isStyled: isStyled,
            isUTF8: isUTF8
        )
        terminal.fixedSize = (columns, rows)
        return terminal
    }
}

extension FetchResult {
    static func fetched(_ status: Int = 200, bytes: Int = 0, in duration: Duration = .zero) -> FetchResult {
        FetchResult(
            number: 1,
            place: "argument-1",
            outcome: status < 400 ? .fetched : .failed,
            status: status,
            bytes: bytes,
            nanoseconds: duration.inNanoseconds,
            attempts: 1
        )
    }

    static func failed(_ code: String, _ message: String = "It did not work.", in duration: Duration = .zero)
        -> FetchResult
    {
        FetchResult(
            number: 1,
            place: "argument-1",
            outcome: .failed,
            nanoseconds: duration.inNanoseconds,
            attempts: 1,
            failure: .init(code: code, message: message)
        )
    }
}

extension RunStatistics {
    /// One item from its beginning to its end.
    func add(_ result: FetchResult, host: String = "a.example:80") {
        began(host: host)
        if result.bytes > 0 { received(bytes: result.bytes, host: host) }
        finished(result, host: host)
    }
}
