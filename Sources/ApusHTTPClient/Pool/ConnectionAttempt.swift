import ApusNet
import ApusRuntime

/// A connection that is being opened, by a task of its own. Loop thread only.
///
/// It was begun for one request, its sponsor, within the sponsor's deadlines. Whoever of the host has waited longest gets what comes
/// first, though, this connection or one that another request gives back. So an attempt can lose its sponsor: one that was served
/// otherwise leaves it to the next waiter, or to the idle connections; one that was cancelled takes it along, unless somebody waits
/// for it. Its error is its sponsor's; without one, those who waited for it begin attempts of their own.
// @unchecked: touched on the loop's thread only.
final class ConnectionAttempt: @unchecked Sendable {
    let id: ConnectionID
    let host: PooledHost
    /// The record of the session that began it.
    let record: HostRecord
    var sponsor: WaiterID?
    var task: LoopTask<Void>?
    var timer: ScheduledCall?
    var hasTimedOut = false
    /// Nobody wants it: what comes of it is closed.
    private(set) var isAbandoned = false
    private(set) var isOver = false
    private(set) var failure: (any Error)?
    /// Its sponsor, who is told that it has left when nothing of the attempt is left.
    var leaving: (continuation: UnsafeContinuation<PoolCore.Served, Never>, as: PoolCore.Served)?
    private var observer: UnsafeContinuation<Void, Never>?

    init(id: ConnectionID, record: HostRecord, sponsor: WaiterID?) {
        self.id = id
        self.record = record
        self.sponsor = sponsor
        host = record.pooled
    }

    func abandon() {
        isAbandoned = true
        task?.cancel()
    }

    func end(_ failure: (any Error)?) {
        isOver = true
        self.failure = failure
        timer?.cancel()
        timer = nil
        task = nil
        observer?.resume()
        observer = nil
        if let (continuation, served) = leaving {
            leaving = nil
            continuation.resume(returning: served)
        }
    }

    /// Waits for its end. One at a time.
    func ended() async {
        await withUnsafeContinuation { continuation in
            if isOver { continuation.resume() } else { observer = continuation }
        }
    }
}
