import Apus

extension Demo {
    func computing() async throws {
        screen.heading(5, "Work that computes needs threads, not a loop")
        let limit = Self.calibrated(for: .milliseconds(120), clock)
        // A little different each time, or the optimiser would see that once is enough.
        let jobs = (0..<4).map { limit + $0 }

        var found: [Int] = []
        let inSequence = try await shorterOfTwo {
            for limit in jobs { found.append(countPrimes(below: limit)) }
        }
        screen.explain("Four times the same job: it counts the primes below \(limit), of which there are \(found[0]).")
        screen.figure("one after the other", Format.time(inSequence))

        let onTheLoop = try await shorterOfTwo {
            found += try await gather(jobs) { limit in countPrimes(below: limit) }
        }
        screen.figure(
            "gather(jobs) { job($0) }",
            Format.time(onTheLoop),
            "\(Format.decimal(inSequence / onTheLoop, 2)) times as fast: one thread, no gain"
        )

        let onThePool = try await shorterOfTwo {
            found += try await gather(jobs) { limit in try await offload(to: .cpu) { countPrimes(below: limit) } }
        }
        let cores = OffloadPool.cpu.maximumThreads
        screen.figure(
            "… try await offload(to: .cpu) { job($0) }",
            Format.time(onThePool),
            "\(Format.decimal(inSequence / onThePool, 2)) times as fast: \(Format.count(cores, "core"))"
        )
        if cores > 1, inSequence / onThePool < 1.2 {
            screen.explain(
                "(In this run, up to \(cores) threads took \(Format.time(onThePool)) for what one did in "
                    + "\(Format.time(inSequence)).)"
            )
        }
    }

    /// Other programs on the machine make some runs longer, and none shorter.
    private func shorterOfTwo(_ body: nonisolated(nonsending) () async throws -> Void) async throws -> Duration {
        let first = try await clock.measure { try await body() }
        return min(first, try await clock.measure { try await body() })
    }

    /// How much of the job takes between half of `duration` and all of it on this machine.
    private static func calibrated(for duration: Duration, _ clock: ContinuousClock) -> Int {
        var limit = 50_000
        while limit < 50_000_000 {
            var found = 0
            let time = clock.measure { found = countPrimes(below: limit) }
            if time * 2 > duration || found == 0 { break }
            limit *= 2
        }
        return limit
    }
}

@inline(never)
private func countPrimes(below limit: Int) -> Int {
    var count = 0
    for number in 2..<limit {
        var divisor = 2
        while divisor * divisor <= number, number % divisor != 0 { divisor += 1 }
        if divisor * divisor > number { count += 1 }
    }
    return count
}
