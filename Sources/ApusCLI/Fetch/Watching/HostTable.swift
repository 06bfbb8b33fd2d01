/// What each host has done, for the slowest of them: bounded, however many hosts there are.
///
/// In the manner of lossy counting (Manku and Motwani 2002): when the table is full, the hosts that took the least time in all go. A host that
/// comes back begins anew, so what is slow again and again stays, and the figures of those that stay are their own. All hosts together are
/// ``total``.
struct HostTable: Sendable {
    struct Host: Sendable, Equatable {
        var fetched = 0
        var failed = 0
        var inFlight = 0
        var bytes = 0
        /// Of all requests together, those that failed included; in nanoseconds, as all times here: they are added up for each URL.
        fileprivate var time: Int64 = 0
        fileprivate var longestTime: Int64 = 0
        /// When it last finished something, or was first asked while nothing was in flight.
        fileprivate var heard: Int64 = 0

        var done: Int { fetched + failed }
        var mean: Duration { done == 0 ? .zero : .nanoseconds(time) / done }
        var longest: Duration { .nanoseconds(longestTime) }

        /// How long it has kept us waiting, or does on average.
        func slowness(at elapsed: Duration) -> Duration {
            inFlight > 0 ? max(mean, elapsed - .nanoseconds(heard)) : mean
        }

        /// All but what another has done; the longest is not known then.
        func without(_ other: Host) -> Host {
            var result = self
            result.fetched -= other.fetched
            result.failed -= other.failed
            result.inFlight -= other.inFlight
            result.bytes -= other.bytes
            result.time &-= other.time
            result.longestTime = 0
            return result
        }
    }

    /// What stays when the table is full; twice as many is full.
    let capacity: Int
    private(set) var hosts: [String: Host] = [:]
    /// All hosts together.
    private(set) var total = Host()
    /// Hosts had to go.
    private(set) var isPartial = false

    init(capacity: Int = 1_024) { self.capacity = capacity }

    /// - Parameter elapsed: in nanoseconds, as in ``finished(_:_:isFailure:bytes:hadBegun:at:)``.
    mutating func began(_ name: String, at elapsed: Int64) {
        let place = place(of: name)
        hosts.values[place].begin(elapsed)
        total.begin(elapsed)
    }

    mutating func finished(
        _ name: String,
        _ duration: Int64,
        isFailure: Bool,
        bytes: Int,
        hadBegun: Bool,
        at elapsed: Int64
    ) {
        let place = place(of: name)
        hosts.values[place].finish(duration, isFailure, bytes, hadBegun, elapsed)
        total.finish(duration, isFailure, bytes, hadBegun, elapsed)
    }

    /// The slowest, at most so many.
    func slowest(_ limit: Int, at elapsed: Duration) -> [(name: String, host: Host)] {
        // By name where they are equal, so that rows do not jump about.
        var result: [(name: String, host: Host, slowness: Duration)] = []
        for (name, host) in hosts {
            let slowness = host.slowness(at: elapsed)
            if result.count == limit, let last = result.last, (last.slowness, name) >= (slowness, last.name) {
                continue
            }
            let place = result.firstIndex { ($0.slowness, name) < (slowness, $0.name) } ?? result.count
            result.insert((name, host, slowness), at: place)
            if result.count > limit { result.removeLast() }
        }
        return result.map { ($0.name, $0.host) }
    }

    /// Where the host asked for last is: mostly the next is the same, and its name need not be hashed.
    private var last: (name: String, place: Dictionary<String, Host>.Index)?

    private mutating func place(of name: String) -> Dictionary<String, Host>.Index {
        if let last, last.name == name { return last.place }
        makeRoom(for: name)
        if hosts[name] == nil { hosts[name] = Host() }
        // It is there now.
        let place = hosts.index(forKey: name) ?? hosts.startIndex
        last = (name, place)
        return place
    }

    private mutating func makeRoom(for name: String) {
        guard hosts.count >= limit, hosts[name] == nil else { return }
        // Those that are asked just now stay: their answers will come.
        let idle = hosts.filter { $0.value.inFlight == 0 }.sorted { $0.value.time > $1.value.time }
        for (name, _) in idle.dropFirst(capacity) {
            hosts[name] = nil
            isPartial = true
        }
        busy = hosts.count - min(idle.count, capacity)
    }

    /// How many could not go, when last looked at.
    private var busy = 0
    /// Twice of what stays: the sorting is then a small part of each change.
    private var limit: Int { 2 * (capacity + busy) }
}

extension HostTable.Host {
    fileprivate mutating func begin(_ elapsed: Int64) {
        if inFlight == 0 { heard = elapsed }
        inFlight += 1
    }

    fileprivate mutating func finish(
        _ duration: Int64,
        _ isFailure: Bool,
        _ bytes: Int,
        _ hadBegun: Bool,
        _ elapsed: Int64
    ) {
        if isFailure { failed += 1 } else { fetched += 1 }
        if hadBegun { inFlight = max(0, inFlight - 1) }
        self.bytes += bytes
        let sum = time.addingReportingOverflow(duration)
        // 292 years in all are as long as can be.
        time = sum.overflow ? .max : sum.partialValue
        longestTime = max(longestTime, duration)
        heard = elapsed
    }
}
