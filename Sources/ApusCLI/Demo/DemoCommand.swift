import Apus
import ArgumentParser

struct DemoCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "demo",
        abstract: "What the library does: the tutorial's programs, and the mistakes that it catches.",
        discussion: """
            Runs six parts, ten seconds in all, against a server inside this process;
            it needs no network. The figures are measured while you watch: on a busy
            machine they are worse.
            """
    )

    func run() throws {
        let screen = Screen()
        let reports = BlockReports()
        var options = EventLoop.Options()
        options.debug = true
        options.onBlock = reports.add
        let start = ContinuousClock.now
        do {
            try EventLoop.run(options) {
                screen.text(
                    "Everything below runs on one thread: the tasks, the session, and the server that it talks to."
                )
                try await withDemoServer { baseURL in
                    let demo = Demo(screen: screen, baseURL: baseURL, reports: reports)
                    try await demo.waitTogether()
                    try await demo.onePage()
                    try await demo.manyPages()
                    try await demo.blockingCalls()
                    try await demo.computing()
                    try await demo.sharedState()
                }
            }
        } catch is CancellationError {
            StandardError.complain("interrupted")
            throw ExitCode(ExitStatus.interrupted)
        } catch {
            StandardError.complain("the demo failed: \(error)")
            throw ExitCode(ExitStatus.failure)
        }
        screen.text("")
        screen.text(
            "That took \(Format.time(ContinuousClock.now - start)). The same programs, a file each, are in Examples; README.md has "
                + "them beside the Python that they answer."
        )
    }
}

/// The parts of the demo, one file each.
struct Demo: Sendable {
    let screen: Screen
    let baseURL: String
    let reports: BlockReports
    let clock = ContinuousClock()
}
