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

    @Option(help: ArgumentHelp("The longest that connecting may take, name lookup and TLS included.", valueName: "seconds"))
    var connectTimeout = 10.0

    @Option(
        help: ArgumentHelp("The longest silence: before the answer, and inside of it.", valueName: "seconds")
    )
    var idleTimeout = 60.0

    @Option(
        help: ArgumentHelp("Give up bodies that come slower, over a minute; 0 for never.", valueName: "bytes/s")
    )
    var minRate = 100

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
        guard minRate >= 0 else { throw ValidationError("--min-rate \(minRate): a number of at least 0 is needed.") }
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
