import ArgumentParser

/// How many at a time, and how fast.
struct PaceOptions: ParsableArguments {
    @Option(name: .shortAndLong, help: ArgumentHelp("How many URLs to fetch at a time.", valueName: "n"))
    var concurrency = 64

    // A server with a short accept queue (5 with Python's http.server) loses connections that come faster than it takes them, and
    // TCP brings them back only after seconds, or a minute: 1,000 files took 60 s with 100 at a time, and 1 s with 16.
    @Option(help: ArgumentHelp("How many of these from the same server.", valueName: "n"))
    var perHost = 8

    @Option(help: ArgumentHelp("How many to begin a second at most, retries included.", valueName: "n"))
    var rate: Double?

    @Option(help: ArgumentHelp("How many of these at the same server.", valueName: "n"))
    var ratePerHost: Double?

    @Option(help: ArgumentHelp("On how many event loops, each a thread that keeps a core busy.", valueName: "n"))
    var loops = 1

    func validate() throws {
        guard (1...10_000).contains(concurrency) else {
            throw ValidationError("--concurrency \(concurrency): a number of 1 to 10000 is needed.")
        }
        guard perHost >= 1 else { throw ValidationError("--per-host \(perHost): a number of at least 1 is needed.") }
        for (name, rate) in [("--rate", rate), ("--rate-per-host", ratePerHost)] {
            guard let rate else { continue }
            guard (0.001...1e6).contains(rate) else {
                throw ValidationError("\(name) \(rate): a number of 0.001 to 1000000 a second is needed.")
            }
        }
        guard (1...64).contains(loops) else {
            throw ValidationError("--loops \(loops): a number of 1 to 64 is needed.")
        }
    }

    var limits: TransferSchedule.Limits {
        var limits = TransferSchedule.Limits()
        limits.concurrency = concurrency
        limits.perHost = perHost
        limits.rate = rate
        limits.ratePerHost = ratePerHost
        return limits
    }
}
