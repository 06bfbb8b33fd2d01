import Apus
import ArgumentParser
import Glibc

struct FetchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fetch",
        // Only where it is parsed alone, which `ApusCommand` does: what a root is asked besides is not looked for.
        _superCommandName: "apus",
        abstract: "Fetch URLs, many at once.",
        discussion: """
            A single URL without -o goes to standard output. Else a line for each URL goes
            there as it is done, unless that is a terminal, which shows how far it is and
            what failed:

                STATUS BYTES TIME URL
                ERR CODE MESSAGE URL

            URLs are shown without user, password and query; --report has all there is.
            A terminal gets the control characters of a body escaped, a pipe as they are.

            With -o the bodies are stored under DIR, each under its own name only when it
            is complete, with the time of its Last-Modified, and never outside of DIR.
            Bodies of responses with a status of 400 or more are counted, not stored.
            What is incomplete waits in DIR/.apus-partial (-2, -3, ... where runs go on at
            the same time) for a run that goes on with it. Nobody else needs it: when
            nothing runs there it can be removed.

            In FILE each line is a URL, or an object of JSON with "url" and, as needed,
            "method", "headers", "body" and "output". Empty lines and lines that begin
            with # are skipped. It is read as far as needed, so it may be as long as you
            like. {1..100}, {001..100} and {a,b} in a URL stand for several.

            With --state a run can be interrupted, even killed, and continued by the same
            command with --resume. Ctrl-C finishes what is under way; a second one stops
            at once. What was done just before a kill may be fetched again, but has only
            one line in the report. A disk that is full, or a file that cannot be written,
            ends nothing but the URL that it is for; what the report or the state lacks is
            told at the end. No URL replaces the input or a file of these options.

            Examples:

                apus fetch http://127.0.0.1:8000/README.md
                apus fetch -o pages 'https://example.com/{1..500}.json'
                apus fetch -i urls.txt -o pages --tree --state s --report log.jsonl
                apus fetch -i urls.txt -o pages --tree --state s --resume
                apus fetch -i urls.txt -u ada:secret --auth-host https://example.com
                seq -f 'http://127.0.0.1:8000/%g' 1000 | apus fetch -i - | sort -k3

            Exit codes: 0 all fetched; 1 something failed, had a status of 400 or more, or
            could not be written down; 2 wrong usage; 130 interrupted, 129 hung up, 143
            terminated.
            """
    )

    @Argument(help: ArgumentHelp("What to fetch: http or https.", valueName: "url"))
    var urls: [String] = []

    @OptionGroup(title: "Input Options") var list: InputOptions
    @OptionGroup(title: "Pace Options") var pace: PaceOptions
    @OptionGroup(title: "Patience Options") var patience: PatienceOptions
    @OptionGroup(title: "Request Options") var sending: SendingOptions
    @OptionGroup(title: "Storing Options") var storing: StoringOptions
    @OptionGroup(title: "Record Options") var records: RecordOptions
    @OptionGroup(title: "Watching Options") var watching: WatchingOptions
    @OptionGroup(title: "TLS Options") var tls: TLSOptions

    func run() throws {
        // Not in `validate`, which comes before the check for unknown options: of `--bogus` alone, that is what is wrong.
        guard !urls.isEmpty || list.input != nil else {
            let usage = ApusCommand.usageString(for: Self.self)
            StandardError.write(
                "Error: Name a URL, or a file of URLs with -i. `apus help fetch` shows examples.\nUsage: \(usage)\n"
            )
            throw ExitCode(ExitStatus.usage)
        }
        // A reader that goes away is an error of `write`, so that we can clean up.
        signal(SIGPIPE, SIG_IGN)
        // A file that may not become larger is an error of `write` too.
        signal(SIGXFSZ, SIG_IGN)
        Termination.install()
        let session: FetchSession
        do {
            session = try FetchSession(fitted())
        } catch {
            StandardError.complain(Format.harmless("\(error)"))
            throw ExitCode(ExitStatus.usage)
        }
        try session.run()
    }

    /// With as many URLs at a time as the descriptors allow: beyond that each would fail for want of one.
    private func fitted() -> FetchCommand {
        let allowed = DescriptorLimit.raise()
        // A connection, a second one that is being opened for it; and a file.
        let room = DescriptorLimit.room(in: allowed, each: storing.output == nil ? 2 : 3)
        guard room < pace.concurrency else { return self }
        StandardError.complain(
            "only \(allowed) descriptors are allowed (ulimit -n), so \(room) of --concurrency \(pace.concurrency) go at a time"
        )
        var command = self
        command.pace.concurrency = room
        return command
    }
}
