import Apus
import DequeModule

/// The URLs of one origin that wait for their turn, and what is known of it.
struct HostLane {
    /// `host:port`.
    let name: String
    var waiting: Deque<Transfer> = []
    var running = 0
    /// URLs that wait for the time of another attempt.
    var retrying = 0
    /// Silent attempts since its last answer.
    var silences = 0
    var hasAnswered = false
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

    /// A host that does not answer is tried with one connection at a time, and one that has not answered yet with two: else a hundred
    /// dead ones would take all the places there are, each for as long as its timeout.
    func limit(_ perHost: Int) -> Int {
        if silences > 0 { return 1 }
        return hasAnswered ? perHost : min(2, perHost)
    }

    var isSilent: Bool { silences > 0 }

    /// When its next one may begin, by its pace and by the server's wish.
    var due: Int64 { max(pausedUntil, pace?.next ?? .min) }

    /// Whether nothing would be lost if it were forgotten.
    func isForgettable(at now: Int64) -> Bool {
        running == 0 && waiting.isEmpty && retrying == 0 && !isQueued && !isPaused && due <= now
    }
}
