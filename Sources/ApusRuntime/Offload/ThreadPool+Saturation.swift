import Logging

extension ThreadPool {
    /// Says in the log that no thread has been free for some call for as long as the interval: asyncio is silent then, and everything
    /// behind it looks like a timeout.
    ///
    /// - Parameter now: nanoseconds of CLOCK_MONOTONIC.
    /// - Returns: whether to look again an interval later: something waits.
    func reportSaturation(at now: Int64) -> Bool {
        let message: String? = withLock {
            guard let first = queue.first else {
                isWatched = false
                return nil
            }
            let wait = now - first.since
            guard idle == 0, wait >= saturationInterval else { return "" }
            let tenths = wait / 100_000_000
            let cancelled = givenUp > 0 ? ", \(givenUp) more were cancelled while they waited" : ""
            return """
                Offload pool “\(name)” is saturated: all its \(threads) threads are busy, \(max(0, waiting)) calls wait\(cancelled), and \
                the first in the queue has waited for \(tenths / 10).\(tenths % 10) s. Give calls that take long a pool of their own or a \
                timeout, or this one more threads (`maximumThreads`).
                """
        }
        guard let message else { return false }
        if !message.isEmpty { (logger ?? Logger(label: "apus")).warning("\(message)") }
        return true
    }
}
