import Apus
import ArgumentParser
import Glibc
import HTTPTypes

struct BenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Ask a server for one URL as fast as it answers, or at a rate.",
        discussion: """
            Each connection sends its next request when the last one is answered, so
            that a slow server is asked less often. With --rate requests are due at
            fixed times, and their latency counts from when they were due: what a
            server makes wait is not left out (coordinated omission). Nothing is
            pipelined, redirects are not followed, and bodies are read and thrown away
            as they came. Nothing is tried again, but for what was sent on a kept
            connection that the server had closed by then (RFC 9112 §9.3.1).

            Ask only servers that are yours, or whose owner has agreed.

            Examples:

                apus bench http://127.0.0.1:8000/
                apus bench --connections 50 --duration 30 https://localhost:8443/
                apus bench --rate 2000 --duration 60 http://127.0.0.1:8000/
                apus bench --requests 10000 --json http://127.0.0.1:8000/ | jq .rate

            Exit codes: 0 all answered below 400; 1 some were not; 2 wrong usage;
            129 hung up, 130 interrupted, 143 terminated. Ctrl-C ends with the summary of
            what was done.
            """
    )

    @Argument(help: ArgumentHelp("What to ask for: http or https.", valueName: "url"))
    var url: String

    @Option(name: .shortAndLong, help: ArgumentHelp("How many connections.", valueName: "n"))
    var connections = 10

    @Option(name: .shortAndLong, help: ArgumentHelp("For how long. (default: 10)", valueName: "seconds"))
    var duration: Double?

    @Option(
        name: [.customShort("n"), .long],
        help: ArgumentHelp("How many requests, instead of for how long.", valueName: "n")
    )
    var requests: Int?

    @Option(help: ArgumentHelp("Requests each second, whether or not the server keeps up.", valueName: "n"))
    var rate: Double?

    @Option(help: ArgumentHelp("The longest that one request may take.", valueName: "seconds"))
    var timeout = 30.0

    @Flag(help: "Print the results as a JSON object.")
    var json = false

    @Flag(name: .shortAndLong, help: "Show no view of the run.")
    var quiet = false

    @OptionGroup(title: "Request Options") var request: BenchRequestOptions

    @OptionGroup(title: "TLS Options") var tls: TLSOptions

    func validate() throws {
        guard (1...60_000).contains(connections) else {
            throw ValidationError("--connections \(connections): a number of 1 to 60000 is needed.")
        }
        if let duration, !(0.01...1e7).contains(duration) {
            throw ValidationError("--duration \(duration): a number of seconds of at least 0.01 is needed.")
        }
        if let requests, requests < 1 { throw ValidationError("--requests \(requests): at least 1 is needed.") }
        if requests != nil, duration != nil {
            throw ValidationError("--requests and --duration: name one of them.")
        }
        if let rate, !(0.001...1e7).contains(rate) {
            throw ValidationError("--rate \(rate): a number of 0.001 to 10000000 is needed.")
        }
        guard (0.001...1e7).contains(timeout) else {
            throw ValidationError("--timeout \(timeout): a number of seconds of at least 0.001 is needed.")
        }
    }

    func run() throws {
        signal(SIGPIPE, SIG_IGN)
        Termination.install()
        DescriptorLimit.raise()
        let job: BenchJob
        let statistics = RunStatistics(clock: .started())
        do {
            job = try makeJob(statistics)
        } catch {
            StandardError.complain(Format.harmless("\(error)"))
            throw ExitCode(ExitStatus.usage)
        }
        let console = Console()
        let view = RunView(statistics, on: console, isWanted: !quiet)
        let before = ProcessorTime.now
        var wasInterrupted = false
        do {
            try EventLoop.run { try await view.during { try await Termination.cancelling { try await job.run() } } }
        } catch is CancellationError {
            wasInterrupted = true
        } catch {
            StandardError.complain(Format.harmless("\(error)"))
            throw ExitCode(ExitStatus.failure)
        }
        let report = BenchReport(
            job: job,
            snapshot: statistics.snapshot(hosts: 0),
            processorTime: ProcessorTime.now - before,
            wasInterrupted: wasInterrupted
        )
        do {
            try Output.writeAll(Array(text(of: report, on: console).utf8), to: STDOUT_FILENO)
        } catch let error as OutputError where error.isClosed {
            ExitStatus.dieOfBrokenPipe()
        }
        if wasInterrupted { throw ExitCode(Termination.exitCode) }
        if statistics.hasFailures { throw ExitCode(ExitStatus.failure) }
    }

    private func makeJob(_ statistics: RunStatistics) throws -> BenchJob {
        let uri = try URI(url)
        guard uri.scheme == "http" || uri.scheme == "https" else {
            throw ValidationError("\(uri.redacted): only http and https are spoken here.")
        }
        return BenchJob(
            uri: uri,
            method: try request.parsedMethod(),
            headers: try request.parsedHeaders(),
            body: try request.body(),
            connections: connections,
            limit: requests.map { .requests($0) } ?? .time(.seconds(duration ?? 10)),
            rate: rate,
            timeout: .seconds(timeout),
            tls: try tls.configuration(),
            statistics: statistics
        )
    }

    private func text(of report: BenchReport, on console: Console) -> String {
        if json { return report.json + "\n" }
        let output = console.output
        let width = output.isTerminal ? output.size.columns : 160
        let text = report.lines(width: width, isUTF8: output.isUTF8)
            .map { $0.rendered(isStyled: output.isStyled) + "\n" }.joined()
        return output.isUTF8 || !output.isTerminal ? text : TerminalText.ascii(text)
    }
}
