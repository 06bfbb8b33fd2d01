import Apus
import ApusTesting
import ArgumentParser
import Glibc
import Testing

@testable import ApusCLI

@Suite struct FetchWatchTests {
    private let log = WriteLog()
    private let clock = HandClock()

    private func watch(
        quiet: Bool = false,
        verbose: Bool = false,
        page: String? = nil,
        printsBody: Bool = false,
        isTerminal: Bool = true,
        isNull: Bool = false
    ) throws -> FetchWatch {
        var options = try WatchingOptions.parse([])
        options.quiet = quiet
        options.verbose = verbose
        options.htmlReport = page
        var output = Terminal.fake(-2, isLive: isTerminal)
        output.isNull = isNull
        let console = Console(
            output: output,
            error: .fake(-1, isLive: isTerminal),
            areSame: isTerminal,
            write: log.write
        )
        return try FetchWatch(options, printsBody: printsBody, console: console, clock: clock.clock)
    }

    /// A run of two items, one of which fails.
    private func run(_ watch: FetchWatch, for duration: Duration = .seconds(1)) async throws {
        try await withVirtualTime {
            try await watch.during {
                watch.began(host: "a")
                watch.finished(.fetched(), host: "a")
                watch.began(host: "a")
                watch.finished(.failed("connectTimeout"), host: "a")
                try await sleep(for: duration)
                try await watch.print(line: "a result")
                await watch.note("a note\u{1B}[2J")
            }
        }
    }

    @Test func aPersonSeesTheViewTheLinesAndTheSummary() async throws {
        let watch = try watch()
        try await run(watch)
        #expect(log.all.contains { $0.text.contains("1 done  1 failed") })
        try watch.finish(.complete)
        let shown = log.screen(of: [-1, -2]).shown
        #expect(shown.prefix(2) == ["a result", "apus: a note\\u{1B}[2J"])
        #expect(shown.dropFirst(2).first?.hasPrefix("2 URLs: 1 fetched, 1 failed; ") == true)
        #expect(watch.hasFailures)
        #expect(watch.showsView && watch.shownLines == .failures)
    }

    @Test func aScriptGetsItsLinesAndNoCommandsOfTerminals() async throws {
        let watch = try watch(isTerminal: false)
        try await run(watch, for: .seconds(6))
        try watch.finish(.complete)
        #expect(log.all.allSatisfy { !$0.text.contains("\u{1B}") })
        #expect(log.all.filter { $0.descriptor == -2 }.map(\.text) == ["a result\n"])
        #expect(log.all.first?.text.hasPrefix("apus: 0:00  1 done, 1 failed; ") == true)
        #expect(!watch.showsView && watch.shownLines == .all)
    }

    @Test func whatNobodyCanReadIsNotWritten() throws {
        #expect(try watch(isTerminal: false, isNull: true).shownLines == .none)
        #expect(try watch(verbose: true, isTerminal: false, isNull: true).shownLines == .none)
        #expect(try watch(verbose: true).shownLines == .all)
    }

    @Test func quietIsQuietButForWhatMustBeKnown() async throws {
        let watch = try watch(quiet: true)
        try await run(watch)
        try watch.finish(.complete)
        #expect(log.screen(of: [-1, -2]).shown == ["a result", "apus: a note\\u{1B}[2J"])
        try watch.finish(.interrupted, resume: "apus fetch --resume")
        #expect(log.screen(of: [-1, -2]).shown.suffix(2) == ["Interrupted. Go on with:", "    apus fetch --resume"])
    }

    @Test func aBodyOnTheTerminalIsNotDrawnOver() async throws {
        let watch = try watch(printsBody: true)
        try await run(watch)
        try watch.finish(.complete)
        #expect(log.screen(of: [-1, -2]).shown == ["a result", "apus: a note\\u{1B}[2J"])
    }

    @Test func theFrameIsTakenAwayAlsoWhereTheRunFails() async throws {
        struct Failure: Error {}
        let watch = try watch()
        await #expect(throws: Failure.self) {
            try await withVirtualTime {
                try await watch.during {
                    try await sleep(for: .seconds(1))
                    throw Failure()
                }
            }
        }
        #expect(!log.all.isEmpty)
        #expect(log.screen(of: [-1, -2]).shown.isEmpty)
    }

    @Test func thePageIsWrittenAtTheEnd() async throws {
        try await withScratchFolder { folder in
            let path = "\(folder)/page.html"
            let watch = try watch(quiet: true, page: path)
            try await run(watch)
            #expect(access(path, F_OK) != 0)
            try watch.finish(.complete)
            #expect(access(path, R_OK) == 0)
            // Where it cannot be written any more, that is an error and no silence.
            unlink(path)
            mkdir(path, 0o700)
            #expect(throws: WatchingError.self) { try watch.finish(.complete) }
        }
    }

    @Test func optionsThatContradictEachOtherAreRefused() {
        #expect(throws: (any Error).self) { try WatchingOptions.parse(["--quiet", "--verbose"]) }
        #expect(throws: (any Error).self) { try WatchingOptions.parse(["--html-report", ""]) }
    }
}
