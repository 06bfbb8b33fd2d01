import Apus
import DequeModule
import HeapModule

/// Who is next: the URLs that were read and wait, by host, with the limits on how many go at a time and how fast.
///
/// A value without a clock, without tasks and locks: ``FetchQueue`` has those. Hosts take turns, so a host whose places are taken, or
/// which is slow, holds up nobody else; the URLs of one host keep their order, retries come first. How much it holds is bounded by
/// ``hasRoom``, which whoever reads the input has to ask.
struct TransferSchedule {
    /// What it is to keep to.
    struct Limits: Sendable {
        var concurrency = 64
        var perHost = 8
        /// URLs a second, in all and to each host; nil for no limit.
        var rate: Double?
        var ratePerHost: Double?
        /// How many URLs may wait, and what they may take in memory.
        var waiting = 8_192
        var memory = 32 << 20
    }

    private enum Alarm {
        case transfer(Transfer)
        case lane(Int)
        /// Looks whether a host has answered meanwhile, unless an attempt has ended since.
        case stall(Int, ends: Int)
    }

    private struct Entry: Comparable {
        let time: Int64
        let order: Int
        let alarm: Alarm

        static func < (left: Entry, right: Entry) -> Bool { (left.time, left.order) < (right.time, right.order) }
        static func == (left: Entry, right: Entry) -> Bool { (left.time, left.order) == (right.time, right.order) }
    }

    private let limits: Limits
    private var lanes: [HostLane] = []
    private var freeLanes: [Int] = []
    /// The latest that was added.
    private var last: (item: FetchItem, lane: Int)?
    private var laneOfOrigin: [Origin: Int] = [:]
    private var sweepAt = 4_096
    /// Hosts that have something to do and a place for it, in turn; those that do not answer apart.
    private var ready: Deque<Int> = []
    private var silent: Deque<Int> = []
    private var alarms: Heap<Entry> = []
    /// When the first of them is due: it is asked for several times with each URL, and an entry is large to copy.
    private var nextAlarm: Int64 = .max
    private var order = 0
    private var pace: Pace?
    private var turns = 0
    /// URLs that wait for their first attempt or for another, and what they take.
    private(set) var waiting = 0
    private var memory = 0
    private(set) var running = 0
    private var runningSilent = 0
    private var stalled = 0

    /// How long an attempt waits for the first answer of its host before its place is given to another: as many again as there are places,
    /// at most. Dead hosts pile up, however few they are, since all others are soon done.
    private static let patience: Int64 = 2_000_000_000

    init(_ limits: Limits) {
        self.limits = limits
        pace = limits.rate.map { Pace(perSecond: $0) }
    }

    /// Whether more may be added.
    var hasRoom: Bool { waiting < limits.waiting && memory < limits.memory }

    /// Whether nothing waits and nothing runs.
    var isEmpty: Bool { waiting == 0 && running == 0 }

    /// Hosts that are remembered.
    var hostCount: Int { laneOfOrigin.count }

    /// Of the places, at most this many for hosts that do not answer.
    private var silentLimit: Int { max(1, limits.concurrency / 2) }

    private var hasPlace: Bool { running - min(stalled, limits.concurrency) < limits.concurrency }

    // MARK: In and out

    mutating func add(_ transfer: consuming Transfer, at now: Int64) {
        let lane = lane(of: transfer.item, at: now)
        transfer.lane = lane
        transfer.host = lanes[lane].name
        waiting += 1
        memory += transfer.cost
        lanes[lane].waiting.append(transfer)
        queue(lane, at: now)
    }

    /// Whether ``take(at:)`` may give one: false only if it gives none.
    func mayGive(at now: Int64) -> Bool { hasPlace && waiting > 0 || nextAlarm <= now }

    /// The next one to begin; nil if none may.
    mutating func take(at now: Int64) -> Transfer? {
        if nextAlarm <= now { ring(at: now) }
        guard hasPlace, pace?.allows(at: now) != false else { return nil }
        turns &+= 1
        // A silent host gets its chance before the others, now and then: it may have come back.
        let prefersSilent = turns % 8 == 0
        while let lane = nextLane(prefersSilent) {
            lanes[lane].isQueued = false
            guard mayBegin(lane, at: now), var transfer = lanes[lane].waiting.popFirst() else {
                // Its server has asked for a pause while it stood in the queue.
                queue(lane, at: now)
                continue
            }
            waiting -= 1
            memory -= transfer.cost
            running += 1
            update(lane) { lane in
                lane.running += 1
                lane.pace?.take(at: now)
            }
            pace?.take(at: now)
            transfer.attempts += 1
            transfer.isProbe = !lanes[lane].isKnown
            if transfer.isProbe { alarm(.stall(lane, ends: lanes[lane].ends), at: now &+ Self.patience) }
            if transfer.started == 0 { transfer.started = now }
            queue(lane, at: now)
            return transfer
        }
        return nil
    }

    /// An attempt is over.
    mutating func end(_ end: AttemptEnd, at now: Int64) {
        running -= 1
        let lane = end.lane
        update(lane) { lane in
            lane.running -= 1
            lane.ends &+= 1
            lane.stalled = max(0, lane.stalled - 1)
            if case .silent = end.host { lane.silences += 1 }
            if end.pause > 0 { lane.pausedUntil = max(lane.pausedUntil, now &+ end.pause) }
        }
        if case .answered = end.host { answered(lane, at: now) }
        if let retry = end.retry {
            waiting += 1
            memory += retry.transfer.cost
            lanes[lane].retrying += 1
            alarm(.transfer(retry.transfer), at: now &+ max(0, retry.wait))
        }
        queue(lane, at: now)
    }

    /// A host has answered. To be told as soon as that is known: its other URLs wait for it.
    mutating func answered(_ lane: Int, at now: Int64) {
        guard !lanes[lane].isKnown else { return }
        if lanes[lane].isSilent, lanes[lane].isQueued {
            silent.removeAll { $0 == lane }
            lanes[lane].isQueued = false
        }
        update(lane) { lane in
            lane.silences = 0
            lane.hasAnswered = true
            lane.stalled = 0
        }
        queue(lane, at: now)
    }

    /// The moment at which ``take(at:)`` may give something that it does not give now; nil if that depends on an end or on the input.
    func nextMoment(after now: Int64) -> Int64? {
        guard waiting > 0 else { return nil }
        let alarm = nextAlarm == .max ? nil : nextAlarm
        guard hasPlace, let pace, !pace.allows(at: now), !ready.isEmpty || !silent.isEmpty else { return alarm }
        return min(alarm ?? .max, pace.next)
    }

    // MARK: Hosts

    private mutating func nextLane(_ prefersSilent: Bool) -> Int? {
        let maySilent = runningSilent < silentLimit
        if prefersSilent, maySilent, let lane = silent.popFirst() { return lane }
        while let lane = ready.popFirst() {
            guard lanes[lane].isSilent else { return lane }
            // It has fallen silent while it stood here.
            silent.append(lane)
        }
        return maySilent ? silent.popFirst() : nil
    }

    /// Changes what is known of a host, and keeps the count of places that silent ones have.
    private mutating func update(_ lane: Int, _ change: (inout HostLane) -> Void) {
        if lanes[lane].isSilent { runningSilent -= lanes[lane].running }
        stalled -= lanes[lane].stalled
        change(&lanes[lane])
        if lanes[lane].isSilent { runningSilent += lanes[lane].running }
        stalled += lanes[lane].stalled
    }

    private func mayBegin(_ lane: Int, at now: Int64) -> Bool {
        !lanes[lane].waiting.isEmpty && lanes[lane].running < lanes[lane].limit(limits.perHost)
            && lanes[lane].due <= now
    }

    /// Puts a host into the queue where it belongs, if it has something to do and may.
    private mutating func queue(_ lane: Int, at now: Int64) {
        guard !lanes[lane].isQueued, !lanes[lane].waiting.isEmpty,
            lanes[lane].running < lanes[lane].limit(limits.perHost)
        else { return }
        if lanes[lane].due > now {
            guard !lanes[lane].isPaused else { return }
            lanes[lane].isPaused = true
            return alarm(.lane(lane), at: lanes[lane].due)
        }
        lanes[lane].isQueued = true
        if lanes[lane].isSilent { silent.append(lane) } else { ready.append(lane) }
    }

    /// The one before is mostly of the same.
    private mutating func lane(of item: FetchItem, at now: Int64) -> Int {
        if let last, item.uri.hasSameServer(as: last.item.uri) { return last.lane }
        let lane = lane(of: item.uri.origin, at: now)
        last = (item, lane)
        return lane
    }

    private mutating func lane(of origin: Origin, at now: Int64) -> Int {
        if let known = laneOfOrigin[origin] { return known }
        if laneOfOrigin.count >= sweepAt { sweep(at: now) }
        let made = HostLane(origin, pace: limits.ratePerHost.map { Pace(perSecond: $0) })
        let lane: Int
        if let free = freeLanes.popLast() {
            lane = free
            lanes[lane] = made
        } else {
            lane = lanes.count
            lanes.append(made)
        }
        laneOfOrigin[origin] = lane
        return lane
    }

    /// Forgets hosts that have nothing to do, so that a list of ten million hosts does not end up here.
    private mutating func sweep(at now: Int64) {
        last = nil
        for (origin, lane) in laneOfOrigin
        where lanes[lane].isForgettable(at: now) {
            laneOfOrigin[origin] = nil
            freeLanes.append(lane)
        }
        sweepAt = max(4_096, 2 * laneOfOrigin.count)
    }

    // MARK: Time

    private mutating func alarm(_ alarm: Alarm, at time: Int64) {
        order += 1
        alarms.insert(Entry(time: time, order: order, alarm: alarm))
        nextAlarm = min(nextAlarm, time)
    }

    private mutating func ring(at now: Int64) {
        defer { nextAlarm = alarms.min?.time ?? .max }
        while let entry = alarms.min, entry.time <= now {
            alarms.removeMin()
            switch entry.alarm {
            case .transfer(let transfer):
                let lane = transfer.lane
                lanes[lane].retrying -= 1
                // It was read before all that wait there.
                lanes[lane].waiting.prepend(transfer)
                queue(lane, at: now)
            case .lane(let lane):
                lanes[lane].isPaused = false
                queue(lane, at: now)
            case .stall(let lane, let ends):
                guard lanes[lane].ends == ends, !lanes[lane].isKnown else { continue }
                update(lane) { $0.stalled = $0.running }
            }
        }
    }
}
