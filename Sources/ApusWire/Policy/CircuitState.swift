/// Whether requests to a host are worth trying: the states of a circuit breaker, as a value without a clock.
package struct CircuitState: Sendable, Hashable {
    package enum Phase: Sendable, Hashable {
        /// Requests go through, and failures in a row are counted.
        case closed(failures: Int)
        /// None does until the time is over.
        case open(until: Int64)
        /// A few do, and what becomes of them decides.
        case halfOpen(trials: Int, successes: Int)
    }

    /// What a request may do.
    package enum Permit: Sendable, Hashable {
        case go
        /// The request is one of those that decide.
        case trial
        /// Not yet: nanoseconds until the next trial may be.
        case refused(for: Int64)
    }

    package private(set) var phase = Phase.closed(failures: 0)
    /// Counts what began anew, so that answers from before do not count.
    package private(set) var generation = 0
    private var openings = 0

    package struct Limits: Sendable, Hashable {
        /// Failures in a row that open the circuit; at least 1.
        package var failures: Int
        /// Nanoseconds for which it stays open the first time; doubled with each failed trial, up to `longestOpen`.
        package var open: Int64
        package var longestOpen: Int64
        /// Trials at a time, all of which have to succeed; at least 1.
        package var trials: Int

        package init(failures: Int, open: Int64, longestOpen: Int64, trials: Int) {
            self.failures = max(1, failures)
            self.open = max(0, open)
            self.longestOpen = max(self.open, longestOpen)
            self.trials = max(1, trials)
        }
    }

    package init() {}

    /// Asks for a request that would begin now.
    package mutating func permit(at now: Int64, _ limits: Limits) -> Permit {
        switch phase {
        case .closed: return .go
        case .open(let end):
            guard now >= end else { return .refused(for: end - now) }
            generation += 1
            phase = .halfOpen(trials: 1, successes: 0)
            return .trial
        case .halfOpen(let trials, let successes):
            guard trials + successes < limits.trials else { return .refused(for: 0) }
            phase = .halfOpen(trials: trials + 1, successes: successes)
            return .trial
        }
    }

    /// A request of this generation has succeeded.
    package mutating func succeeded(_ generation: Int, _ limits: Limits) {
        guard generation == self.generation else { return }
        switch phase {
        case .closed: phase = .closed(failures: 0)
        case .open: break
        case .halfOpen(let trials, let successes):
            if successes + 1 >= limits.trials {
                self.generation += 1
                openings = 0
                phase = .closed(failures: 0)
            } else {
                phase = .halfOpen(trials: max(0, trials - 1), successes: successes + 1)
            }
        }
    }

    /// A request of this generation has failed.
    ///
    /// - Returns: whether this opened the circuit.
    package mutating func failed(_ generation: Int, at now: Int64, _ limits: Limits) -> Bool {
        guard generation == self.generation else { return false }
        switch phase {
        case .closed(let failures):
            guard failures + 1 >= limits.failures else {
                phase = .closed(failures: failures + 1)
                return false
            }
        case .open: return false
        case .halfOpen: break
        }
        var length = limits.open
        for _ in 0..<openings {
            if length >= limits.longestOpen / 2 {
                length = limits.longestOpen
                break
            }
            length *= 2
        }
        openings = min(openings + 1, 62)
        self.generation += 1
        let (end, overflow) = now.addingReportingOverflow(length)
        phase = .open(until: overflow ? .max : end)
        return true
    }

    /// A trial of this generation ended without an answer to the question: it was cancelled.
    package mutating func undecided(_ generation: Int) {
        guard generation == self.generation, case .halfOpen(let trials, let successes) = phase else { return }
        phase = .halfOpen(trials: max(0, trials - 1), successes: successes)
    }

    /// Whether nothing is to be remembered of it.
    package var isPristine: Bool { phase == .closed(failures: 0) }
}
