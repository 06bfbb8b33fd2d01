import Apus
import ArgumentParser
import Glibc

struct FetchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fetch",
        abstract: "Fetch URLs, many at once.",
        discussion: """
            Prints a line for each URL as it is done, and a summary to standard error:

                STATUS BYTES TIME URL
                ERR CODE MESSAGE URL

            URLs are shown without user, password and query. A single URL without -o
            goes to standard output, and its line to standard error.

            With -o the bodies are stored in DIR, each under its own name only when it
            is complete, and never outside DIR. The name is the last part of the path,
            or index.html, with ?query as @query; with --tree it is host/path, or
            host_port/path. A name that is taken gets the number of the URL in the
            input: name-17. Bodies of responses with a status of 400 or more are
            counted, but not stored.

            In FILE each line is a URL, or an object of JSON: {"url": …, "method": …,
            "headers": {…}, "body": …, "output": …}. Empty lines and lines that begin
            with # are skipped. It is read as far as needed, so it may be as long as
            you like. {1..500}, {001..100}, {0..100..10} and {a,b} in a URL stand for
            so many; a literal brace is %7B or %7D.

            Examples:

                apus fetch http://127.0.0.1:8000/README.md
                apus fetch --tree -o pages http://example.com/ http://example.org/
                apus fetch -i urls.txt -o pages --concurrency 20
                apus fetch --cacert ca.pem https://localhost:8443/
                seq -f 'http://127.0.0.1:8000/%g' 1000 | apus fetch -i - | sort -k3

            Exit codes: 0 all fetched; 1 something failed, or had a status of 400 or
            more; 2 wrong usage; 129 hung up, 130 interrupted, 143 terminated (unfinished
            files are removed).
            """
    )

    @Argument(help: ArgumentHelp("What to fetch: http or https.", valueName: "url"))
    var urls: [String] = []

    @Option(
        name: [.customShort("i"), .customLong("input")],
        help: ArgumentHelp("Take URLs from this file too, one a line; - is stdin.", valueName: "file")
    )
    var input: String?

    @Option(
        name: [.customShort("o"), .customLong("output")],
        help: ArgumentHelp("Store the bodies under this folder, which is made if need be.", valueName: "dir")
    )
    var output: String?

    @Flag(help: "Mirror hosts and paths below that folder, instead of putting all files into it.")
    var tree = false

    @Option(name: .shortAndLong, help: ArgumentHelp("How many to fetch at a time.", valueName: "n"))
    var concurrency = 100

    // A server with a short accept queue (5 with Python's http.server) loses connections that come faster than it takes them, and
    // TCP brings them back only after seconds, or a minute: 1,000 files took 60 s with 100 at a time, and 1 s with 16.
    @Option(help: ArgumentHelp("How many of these from the same server.", valueName: "n"))
    var perHost = 16

    @Option(help: ArgumentHelp("The longest that one URL may take, redirects and body included.", valueName: "seconds"))
    var timeout: Double?

    @OptionGroup(title: "TLS Options") var tls: TLSOptions

    func validate() throws {
        guard (1...10_000).contains(concurrency) else {
            throw ValidationError("--concurrency \(concurrency): a number of 1 to 10000 is needed.")
        }
        guard perHost >= 1 else { throw ValidationError("--per-host \(perHost): a number of at least 1 is needed.") }
        if let timeout, !(0.001...1e9).contains(timeout) {
            throw ValidationError("--timeout \(timeout): a number of seconds of at least 0.001 is needed.")
        }
        if output?.isEmpty == true { throw ValidationError("-o needs the name of a folder.") }
    }

    func run() throws {
        // Not in `validate`, which comes before the check for unknown options: of `--bogus` alone, that is what is wrong.
        guard !urls.isEmpty || input != nil else {
            let usage = ApusCommand.usageString(for: Self.self)
            StandardError.write(
                "Error: Name a URL, or a file of URLs with -i. `apus help fetch` shows examples.\nUsage: \(usage)\n"
            )
            throw ExitCode(ExitStatus.usage)
        }
        // A reader that goes away is an error of `write`, so that we can clean up.
        signal(SIGPIPE, SIG_IGN)
        Termination.install()
        Self.raiseDescriptorLimit()
        let source: URLSource
        let storage: Storage?
        let tls: TLSConfiguration
        do {
            source = URLSource(arguments: urls, list: try input.map { try InputFile(path: $0) })
            storage = try output.map { try Storage($0) }
            tls = try self.tls.configuration()
        } catch {
            StandardError.complain("\(error)")
            throw ExitCode(ExitStatus.usage)
        }
        defer { storage?.close() }
        let tally = Tally()
        let job = FetchJob(
            storage: storage,
            tree: tree,
            printsBody: storage == nil && input == nil && urls.count == 1,
            concurrency: concurrency,
            perHost: perHost,
            timeout: timeout.map { .seconds($0) },
            tls: tls,
            tally: tally
        )
        do {
            try EventLoop.run { try await Termination.cancelling { try await job.run(source) } }
        } catch let error as OutputError where error.isClosed {
            ExitStatus.dieOfBrokenPipe()
        } catch is CancellationError {
            StandardError.complain("interrupted; \(tally.summary)")
            throw ExitCode(Termination.exitCode)
        } catch {
            StandardError.complain("\(error)")
            StandardError.complain(tally.summary)
            throw ExitCode(ExitStatus.failure)
        }
        if !job.printsBody { StandardError.write(tally.summary + "\n") }
        if tally.hasFailures { throw ExitCode(ExitStatus.failure) }
    }

    /// Each URL under way needs up to three descriptors, and the usual limit is 1,024.
    private static func raiseDescriptorLimit() {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0, limit.rlim_cur < limit.rlim_max
        else { return }
        limit.rlim_cur = min(limit.rlim_max, 65_536)
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }
}
