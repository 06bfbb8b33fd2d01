import Apus

/// One URL on its way from the input to its result.
struct Transfer: Sendable {
    let item: FetchItem
    /// Where its body goes below the folder of `-o`; nil where nothing is stored.
    let path: StoragePath?
    /// Its host's place in the ``TransferSchedule``.
    var lane = 0
    /// `host:port`, for those who watch.
    var host = ""
    /// Whether its host has yet to show that it answers.
    var isProbe = false
    /// How often it was tried.
    var attempts = 0
    /// When the first attempt began, in nanoseconds; 0 before.
    var started: Int64 = 0

    init(_ item: FetchItem, path: StoragePath? = nil) {
        self.item = item
        self.path = path
    }

    /// About what it keeps in memory while it waits.
    var cost: Int { 512 + (item.body?.count ?? 0) + (item.headers?.count ?? 0) * 128 }
}

/// How an attempt ended, as far as the schedule is concerned.
struct AttemptEnd: Sendable {
    /// What the attempt says about its host.
    enum Host: Sendable {
        /// It has answered.
        case answered
        /// No connection, or no answer on it.
        case silent
        /// Nothing: the attempt did not get as far.
        case unknown
    }

    /// A class, as it is rare, and an end without it is a few words to hand on.
    final class Retry: Sendable {
        let transfer: Transfer
        let wait: Int64

        init(_ transfer: Transfer, after wait: Int64) {
            self.transfer = transfer
            self.wait = wait
        }
    }

    var lane: Int
    var host: Host
    /// The same URL again, after a wait; nil if it is over.
    var retry: Retry?
    /// How long the server wants to be left alone, in nanoseconds.
    var pause: Int64 = 0
}
