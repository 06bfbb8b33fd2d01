import ApusRuntime
import ApusWire
import Synchronization

/// How many retries there may be, for all requests together: what keeps clients from burying a server that is down under retries.
///
/// ```swift
/// let budget = RetryBudget(share: 0.1, minimum: 5)
/// ```
///
/// Within any `window`, retries are at most `share` of the requests that began in it, and `minimum` beyond. While a tenth of the
/// requests fail, each of them is retried; when all do, the load on the server grows by the share and not by the number of attempts.
///
/// Each session has one for all policies that name none. To share one between sessions, name it in their policies.
public final class RetryBudget: Sendable {
    private let state: Mutex<RetryAllowance>

    /// - Parameters:
    ///   - share: of the requests, 0.2 for a fifth.
    ///   - minimum: retries within a window that are allowed however few requests there are.
    ///   - window: how far back is counted.
    public init(share: Double = 0.2, minimum: Int = 10, window: Duration = .seconds(10)) {
        state = Mutex(RetryAllowance(share: share, minimum: minimum, window: window.clampedNanoseconds))
    }

    func noteRequest(at now: Int64) { state.withLock { $0.noteRequest(at: now) } }

    func noteRetry(at now: Int64) { state.withLock { $0.noteRetry(at: now) } }

    func takeRetry(at now: Int64) -> Bool { state.withLock { $0.takeRetry(at: now) } }
}
