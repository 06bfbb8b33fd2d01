import ArgumentParser

/// How a run is watched.
struct WatchingOptions: ParsableArguments {
    @Flag(name: .shortAndLong, help: "Show neither a view of the run nor a summary.")
    var quiet = false

    @Flag(name: .shortAndLong, help: "Print a line for each URL on a terminal, too: else only for those that fail.")
    var verbose = false

    @Option(
        help: ArgumentHelp(
            "Write a page with the run's throughput, latencies, statuses, hosts and errors, for a browser.",
            valueName: "file"
        ),
        completion: .file(extensions: ["html"])
    )
    var htmlReport: String?

    func validate() throws {
        if quiet, verbose { throw ValidationError("--quiet and --verbose: name one of them.") }
        if htmlReport?.isEmpty == true { throw ValidationError("--html-report needs the name of a file.") }
    }
}

/// The view of a run, or its report, cannot be had.
struct WatchingError: Error, CustomStringConvertible {
    var description: String
}
