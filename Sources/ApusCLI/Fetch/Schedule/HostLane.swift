import Apus
import DequeModule

/// The URLs of one origin that wait for their turn, and what is known of it.
struct HostLane {
    /// `host:port`.
    let name: String
    var waiting: Deque<Transfer> = []
    var running = 0
    /// Attempts that have ended, to tell a new one from an old one.
    var ends = 0
    /// URLs that wait for the time of another attempt.
    var retrying = 0
    /// Silent attempts since its last answer.
    var silences = 0
    var hasAnswered = false
    /// Of its running attempts, those that have waited for an answer for so long that they count no more.
    var stalled = 0
    /// Whether it stands in one of the schedule's queues.
    var isQueued = false
    /// Whether an alarm will look at it.
    var isPaused = false
    /// Not before this moment.
    var pausedUntil: Int64 = .min
    var pace: Pace?

    init(_ origin: Origin, pace: Pace?) {
        name = "\(origin.host.utf8.contains(0x3A) ? "[\(origin.host)]" : origin.host):\(origin.port)"
        self.pace = pace
    }

    /// A host that does not answer, or has not answered yet, is tried with one connection at a time: else a few dead ones would take all
    /// the places there are, each for as long as its timeout.
    func limit(_ perHost: Int) -> Int { isKnown ? perHost : 1 }

    /// Whether it has answered, and since then always.
    var isKnown: Bool { hasAnswered && silences == 0 }

    var isSilent: Bool { silences > 0 }

    /// When its next one may begin, by its pace and by the server's wish.
    var due: Int64 { max(pausedUntil, pace?.next ?? .min) }

    /// Whether nothing would be lost if it were forgotten.
    func isForgettable(at now: Int64) -> Bool {
        running == 0 && waiting.isEmpty && retrying == 0 && !isQueued && !isPaused && due <= now
    }
}
