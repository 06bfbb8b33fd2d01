import Apus
import ApusTesting
import Synchronization
import Testing

@testable import ApusCLI

@Suite struct LiveViewTests {
    private let log = WriteLog()

    private func console(
        columns: Int = 80,
        rows: Int = 24,
        isStyled: Bool = false,
        isUTF8: Bool = true,
        isLive: Bool = true,
        areSame: Bool = true
    ) -> Console {
        Console(
            output: .fake(-2, isLive: areSame, columns: columns, rows: rows),
            error: .fake(-1, isLive: isLive, isStyled: isStyled, isUTF8: isUTF8, columns: columns, rows: rows),
            areSame: areSame,
            write: log.write
        )
    }

    /// A run of a few items, of which some fail, on virtual time; `body` is told the view's console after a while.
    private func run(
        on console: Console,
        for duration: Duration = .seconds(1),
        hosts: [String] = ["a.example:443", "b.example:80"],
        _ body: @escaping @Sendable (Console) async throws -> Void = { _ in }
    ) async throws {
        try await withVirtualTime {
            let clock = try #require(EventLoop.current).clock
            let start = clock.now
            let statistics = RunStatistics(clock: RunClock { start.duration(to: clock.now) })
            statistics.setTotal(100)
            let view = RunView(statistics, on: console, isWanted: true)
            try await view.during {
                for index in 0..<20 {
                    let host = hosts[index % hosts.count]
                    statistics.add(
                        index % 10 == 9
                            ? .failed("connectTimeout", in: .seconds(2))
                            : .fetched(bytes: 50_000, in: .milliseconds(12)),
                        host: host
                    )
                }
                try await sleep(for: duration)
                try await body(console)
            }
        }
    }

    /// What stood on the screen before the frame was taken away.
    private func lastFrame(columns: Int = 80, rows: Int = 24) -> [String] {
        var screen = ScreenEmulator(columns: columns, rows: rows)
        for write in log.all.dropLast() { screen.write(write.text) }
        return screen.shown
    }

    @Test func aFrameSaysHowTheRunGoes() async throws {
        try await run(on: console())
        let frame = lastFrame().joined(separator: "\n")
        for text in [
            "0:01", "20 %", "18 done", "2 failed", "80 left", "200 × 18", "connectTimeout × 2", "p50 12", "ETA",
            "a.example:443",
        ] {
            #expect(frame.contains(text), "\(text) in \(frame)")
        }
        #expect(log.screen(of: [-1, -2]).unknown.isEmpty)
    }

    /// At 60 columns there is room for the label beside the short name only.
    @Test(arguments: [(40, false), (60, false), (100, true)])
    func allOfTheSlowestHostsKeepTheirLabelOrNone(columns: Int, areLabelled: Bool) async throws {
        let hosts = ["a.example:443", "a-name-that-is-longer-by-a-lot.example:80"]
        try await run(on: console(columns: columns), hosts: hosts)
        let rows = lastFrame(columns: columns).filter { $0.contains("a.example") || $0.contains("a-name") }
        #expect(rows.count == 2)
        // Without it, a row begins with the time, which is seven columns wide.
        #expect(rows.contains { $0.contains("slowest") } == areLabelled, "\(rows)")
        #expect(rows.count { $0.hasPrefix("slowest") || $0.hasPrefix("         ") } == (areLabelled ? 2 : 0), "\(rows)")
    }

    @Test func framesComeTenTimesASecondEachInOneWrite() async throws {
        try await run(on: console(), for: .seconds(2.25))
        // From 300 ms on; and the last write takes the frame away.
        #expect(log.all.count == 20 + 1)
        let clears = log.all.filter { $0.text.hasSuffix("\u{1B}[J") }
        #expect(clears.count == log.all.count)
        // Nothing is erased before it is written over: that would flicker.
        #expect(
            log.all.dropLast().allSatisfy { !$0.text.dropLast(3).contains("\u{1B}[J") || $0.text == log.all[0].text }
        )
    }

    @Test func nothingIsLeftOfTheViewAtTheEnd() async throws {
        try await run(on: console())
        #expect(log.screen(of: [-1, -2]).shown.isEmpty)
    }

    @Test func aRunThatEndsAtOnceIsNotDrawn() async throws {
        try await run(on: console(), for: .milliseconds(200))
        #expect(log.all.isEmpty)
    }

    @Test func linesStandAboveTheFrameAndAreWhole() async throws {
        try await run(on: console()) { console in
            for index in 0..<30 {
                try await console.print(Array("line \(index)\n".utf8), to: index % 2 == 0 ? .output : .error)
            }
            try await sleep(for: .milliseconds(150))
        }
        #expect(log.screen(of: [-1, -2]).shown == (0..<30).map { "line \($0)" })
        let frame = lastFrame()
        #expect(frame.prefix(30).elementsEqual((0..<30).map { "line \($0)" }))
        #expect(frame.count > 32)
    }

    @Test func linesForAFileGoThereAndTheFrameStaysWhereItIs() async throws {
        try await run(on: console(areSame: false)) { console in
            try await console.print(Array("a result\n".utf8), to: .output)
        }
        #expect(log.all.filter { $0.descriptor == -2 }.map(\.text) == ["a result\n"])
        #expect(log.screen(of: [-1]).shown.isEmpty)
    }

    @Test(arguments: [200, 80, 40, 20, 8, 2, 1])
    func noLineIsWiderThanTheTerminal(columns: Int) async throws {
        try await run(on: console(columns: columns))
        for line in lastFrame(columns: 1_000) { #expect(TerminalText.columns(of: line) <= max(1, columns - 1)) }
        #expect(log.screen(of: [-1, -2], columns: columns).shown.isEmpty)
    }

    @Test(arguments: [1, 2, 3, 5])
    func theFrameFitsALowTerminal(rows: Int) async throws {
        try await run(on: console(rows: rows))
        for write in log.all { #expect(write.text.count { $0 == "\n" } <= rows - 1) }
    }

    @Test func coloursAreOnlyThereIfTheyAreWanted() async throws {
        try await run(on: console())
        #expect(log.all.allSatisfy { !$0.text.contains("m") || !$0.text.contains("\u{1B}[3") })
        let other = LiveViewTests()
        try await other.run(on: other.console(isStyled: true))
        #expect(other.log.all.contains { $0.text.contains("\u{1B}[31m2 failed\u{1B}[0m") })
    }

    @Test func whereUTF8IsNotUnderstoodTheFrameIsASCII() async throws {
        try await run(on: console(isUTF8: false)) { console in
            try await console.print(Array("Л\n".utf8), to: .error)
        }
        #expect(log.all.allSatisfy { $0.text.utf8.allSatisfy { $0 < 0x80 } })
        #expect(lastFrame().contains { $0.contains("[####.") })
    }

    @Test func aHostCannotCommandTheTerminal() async throws {
        let evil = "a\u{1B}]0;title\u{7}\u{9B}2J\u{202E}\r\nfake"
        try await run(on: console(), hosts: [evil, "b"])
        #expect(log.screen(of: [-1]).unknown.isEmpty)
        #expect(
            log.all.allSatisfy {
                !$0.text.unicodeScalars.contains { "\u{7}\u{9B}\u{202E}".unicodeScalars.contains($0) }
            }
        )
        #expect(lastFrame().contains { $0.contains("a\\u{1B}]0;title\\u{7}\\u{9B}2J\\u{202E} fake") })
    }

    @Test func elsewhereALineIsToldEveryFewSeconds() async throws {
        try await run(on: console(isLive: false, areSame: false), for: .seconds(11))
        let lines = log.all.map(\.text)
        #expect(lines.count == 2)
        #expect(lines.first == "apus: 0:05  18 done, 2 failed, 80 left; 4.0/s, 180.0 kB/s; ETA 0:20\n")
    }

    @Test func whoWritesToAClosedPipeIsTold() async throws {
        let console = Console(output: .fake(-2, isLive: false), error: .fake(-1), areSame: false) { _, descriptor in
            if descriptor == -2 { throw OutputError(errno: 32) }
        }
        try await withVirtualTime {
            await #expect(throws: OutputError.self) { try await console.print([65, 10], to: .output) }
            // And so is the next one, whose lines somebody else may have written.
            await #expect(throws: OutputError.self) { try await console.print([65, 10], to: .output) }
            try await console.print([65, 10], to: .error)
        }
    }
}

@Suite struct RateMeterTests {
    private func meter(_ looks: [(second: Double, done: Int)]) -> (meter: RateMeter, last: RunSnapshot) {
        var meter = RateMeter()
        var snapshot = RunSnapshot()
        snapshot.total = 1_000
        for look in looks {
            snapshot.elapsed = .seconds(look.second)
            snapshot.fetched = look.done
            meter.look(snapshot)
        }
        return (meter, snapshot)
    }

    @Test func theRateIsThatOfTheLastSeconds() {
        var looks: [(second: Double, done: Int)] = []
        for tenth in 0...100 { looks.append((Double(tenth) / 10, tenth < 50 ? tenth : 50 + (tenth - 50) * 5)) }
        let (meter, last) = meter(looks)
        #expect(Int(meter.rate.items.rounded()) == 50)
        // Of all ten: 30 a second.
        #expect(meter.timeLeft(last).map { Int($0.inSeconds.rounded()) } == 23)
    }

    @Test func aRunThatStandsStillHasNoEnd() {
        let (meter, last) = meter((0...400).map { (second: Double($0) / 10, done: 10) })
        #expect(meter.rate.items == 0)
        #expect(meter.timeLeft(last) == nil)
    }

    @Test func anHourOfLooksIsBounded() {
        let (meter, _) = meter((0...36_000).map { (second: Double($0) / 10, done: $0) })
        #expect(Int(meter.rate.items.rounded()) == 10)
        #expect(MemoryLayout.size(ofValue: meter) < 100)
    }
}
