import Apus

/// One URL on its way from the input to its result.
struct Transfer: Sendable {
    /// What never changes, behind one reference: a transfer is handed on a dozen times.
    private final class Origin: Sendable {
        let item: FetchItem
        let path: StoragePath?

        init(_ item: FetchItem, _ path: StoragePath?) {
            self.item = item
            self.path = path
        }
    }

    private let origin: Origin
    var item: FetchItem { origin.item }
    /// Where its body goes below the folder of `-o`; nil where nothing is stored.
    var path: StoragePath? { origin.path }
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
        origin = Origin(item, path)
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

    var lane: Int
    var host: Host
    /// The same URL again, after a wait; nil if it is over.
    var retry: (transfer: Transfer, wait: Int64)?
    /// How long the server wants to be left alone, in nanoseconds.
    var pause: Int64 = 0
}
