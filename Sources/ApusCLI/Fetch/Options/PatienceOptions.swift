import Apus
import ArgumentParser

/// How long to wait for what, and how often to try.
struct PatienceOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The longest that one attempt may take, redirects and body included; no limit if not given.",
            valueName: "seconds"
        )
    )
    var timeout: Double?

    @Option(
        help: ArgumentHelp("The longest that connecting may take, name lookup and TLS included.", valueName: "seconds")
    )
    var connectTimeout = 10.0

    @Option(
        help: ArgumentHelp("The longest silence: before the answer, and inside of it.", valueName: "seconds")
    )
    var idleTimeout = 60.0

    @Option(
        help: ArgumentHelp(
            "Give up bodies that come slower, over a minute or so many seconds; 0 for never.",
            valueName: "bytes/s[:seconds]"
        )
    )
    var minRate = "100"

    @Option(
        help: ArgumentHelp(
            "How often to try again: after connection errors, timeouts, and statuses 408, 429 and 5xx.",
            valueName: "n"
        )
    )
    var retries = 2

    @Option(help: ArgumentHelp("How long to finish what is under way, after Ctrl-C.", valueName: "seconds"))
    var grace = 5.0

    func validate() throws {
        for (name, value) in [
            ("--timeout", timeout ?? 1), ("--connect-timeout", connectTimeout), ("--idle-timeout", idleTimeout),
        ] where !(0.001...1e9).contains(value) {
            throw ValidationError("\(name) \(value): a number of seconds of at least 0.001 is needed.")
        }
        guard (0...1e9).contains(grace) else {
            throw ValidationError("--grace \(grace): a number of seconds of at least 0 is needed.")
        }
        guard (0...100).contains(retries) else {
            throw ValidationError("--retries \(retries): a number of 0 to 100 is needed.")
        }
        guard rateFloor != nil else {
            throw ValidationError(
                "--min-rate: a number of bytes a second is needed, such as 100, or 1000:10 over 10 seconds."
            )
        }
    }

    /// What `--min-rate` says; nil if it cannot be read.
    var rateFloor: RateFloor? {
        let parts = minRate.split(separator: ":", omittingEmptySubsequences: false)
        guard let rate = parts.first.flatMap({ Int($0) }), (0...1_000_000_000).contains(rate), parts.count <= 2 else {
            return nil
        }
        guard parts.count == 2 else { return RateFloor(bytesPerSecond: rate, window: 60) }
        guard let window = Int(parts[1]), (1...86_400).contains(window) else { return nil }
        return RateFloor(bytesPerSecond: rate, window: window)
    }

    var timeouts: Timeouts {
        var timeouts = Timeouts()
        timeouts.total = timeout.map { .seconds($0) }
        timeouts.connect = .seconds(connectTimeout)
        timeouts.head = .seconds(idleTimeout)
        timeouts.idle = .seconds(idleTimeout)
        return timeouts
    }
}
