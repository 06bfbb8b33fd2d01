import Apus
import Testing

@testable import ApusCLI

@Suite struct SummaryTests {
    private func snapshot(_ change: (RunStatistics) -> Void) -> RunSnapshot {
        let clock = HandClock()
        let statistics = RunStatistics(clock: clock.clock)
        change(statistics)
        clock.advance(.seconds(2))
        return statistics.snapshot(hosts: 50)
    }

    private func text(_ summary: Summary, isUTF8: Bool = true) -> String {
        summary.lines(width: 80, isUTF8: isUTF8).map { $0.text + "\n" }.joined()
    }

    @Test func aRunIsSummedUp() {
        let snapshot = snapshot { statistics in
            for index in 0..<98 {
                statistics.add(.fetched(bytes: 1_000, in: .milliseconds(index < 90 ? 3 : 40)), host: "a.example:443")
            }
            statistics.add(.fetched(503, in: .milliseconds(3)), host: "a.example:443")
            statistics.add(.failed("connectTimeout", "Nobody answered.", in: .seconds(10)), host: "dead.example:80")
            for _ in 0..<3 { statistics.addWithoutCredentials() }
        }
        #expect(
            text(Summary(snapshot: snapshot, ending: .complete)) == """
                100 URLs: 98 fetched, 2 failed; 98.0 kB in 2.00 s (50.0/s, 49.0 kB/s)
                  status   200 × 98  503 × 1
                  errors   connectTimeout × 1  dead.example:80: Nobody answered.
                  latency  p50 3.0 ms  p90 3.0 ms  p99 41 ms  p99.9 10.00 s  max 10.00 s
                           ≤ 5 ms  ████████████████████████████████████████████████████████  91
                          ≤ 10 ms  0
                          ≤ 20 ms  0
                          ≤ 50 ms  ████▉  8
                                ⋮
                           ≤ 10 s  ▋  1
                  slowest  10.00 s  dead.example:80  0 fetched  1 failed
                            6.0 ms  a.example:443  98 fetched  1 failed
                3 URLs of other hosts did not get the credentials (--auth-host names another
                host).

                """
        )
    }

    @Test func anInterruptedRunSaysHowToGoOn() {
        let snapshot = snapshot { statistics in
            statistics.setTotal(10)
            statistics.add(.fetched())
        }
        let text = text(Summary(snapshot: snapshot, ending: .interrupted, resume: "apus fetch --resume\u{1B}[2J"))
        #expect(text.hasSuffix("Interrupted, 9 left. Go on with:\n    apus fetch --resume\\u{1B}[2J\n"))
    }

    @Test func aRunThatWasStoppedSaysWhy() {
        let snapshot = snapshot { $0.add(.fetched()) }
        let text = text(Summary(snapshot: snapshot, ending: .stopped("the disk is\u{9B}2J full")))
        #expect(text.hasSuffix("Stopped: the disk is\\u{9B}2J full.\n"))
    }

    @Test func oneURLIsOneLine() {
        let snapshot = snapshot { $0.add(.fetched(bytes: 1, in: .milliseconds(5))) }
        #expect(
            text(Summary(snapshot: snapshot, ending: .complete)) == "1 URL: 1 fetched, 0 failed; 1 byte in 2.00 s\n"
        )
    }

    @Test func whatDoesNotFitGoesOnInTheNextLine() {
        let snapshot = snapshot { statistics in
            for index in 0..<998 {
                statistics.add(.fetched(bytes: 1_000, in: .milliseconds(index)), host: "a.example:443")
            }
            let failure = FetchResult.failed("connectTimeout", "Nobody answered in time.", in: .seconds(10))
            statistics.add(failure, host: "b.example:80")
            statistics.addWithoutCredentials()
        }
        let command = "apus fetch -i urls.txt -o out --state s"
        let summary = Summary(snapshot: snapshot, ending: .interrupted, resume: command)
        for width in [20, 30, 40, 60] {
            let lines = summary.lines(width: width, isUTF8: true).dropLast().map(\.text)
            #expect(lines.allSatisfy { TerminalText.columns(of: $0) <= width || width == 20 }, "\(lines)")
            // Nothing is lost, but for what the picture and the examples of errors have no room for.
            let words = lines.joined(separator: " ").split(separator: " ")
            for word in ["999", "fetched,", "kB/s)", "998", "p99.9", "max", "10.00", "a.example:443", "--auth-host)"] {
                #expect(words.contains { $0.contains(word.replacing(")", with: "")) }, "\(word) \(lines)")
            }
        }
        #expect(
            summary.lines(width: 40, isUTF8: true).map(\.text).prefix(6) == [
                "999 URLs: 998 fetched, 1 failed; 998.0",
                "kB in 2.00 s (500/s, 499.0 kB/s)",
                "  status   200 × 998",
                "  errors   connectTimeout × 1",
                "           b.example:80: Nobod…",
                "  latency  p50 503 ms  p90 906 ms",
            ]
        )
    }

    @Test func aLineBreaksBetweenPiecesThenBetweenWords() {
        var line = StyledLine()
        line.add("  label", .dim)
        for text in ["one two", "three", "four five six seven", "eightnineteneleven"] { line.add(text, .red) }
        #expect(line.wrapped(to: 100) == [line])
        let lines = line.wrapped(to: 20)
        #expect(
            lines.map(\.text) == [
                "  label  one two", "         three", "         four five", "         six seven",
                "         eightnineteneleven",
            ]
        )
        #expect(lines.allSatisfy { $0.pieces.dropFirst().allSatisfy { $0.style == .red } })
        var plain = StyledLine()
        for text in ["one two", "three"] { plain.add(text) }
        #expect(plain.wrapped(to: 8).map(\.text) == ["one two", "three"])
        #expect(plain.wrapped(to: 0).map(\.text) == ["one", "two", "three"])
    }

    @Test func barsAreASCIIWhereBlocksAreNot() {
        var latency = LatencyDistribution()
        for _ in 0..<100 { latency.record(.milliseconds(1)) }
        latency.record(.milliseconds(2))
        let lines = Summary.picture(latency, width: 40, isUTF8: false).map(\.text)
        #expect(lines.allSatisfy { $0.utf8.allSatisfy { $0 < 0x80 } })
        #expect(lines.first?.contains("####") == true)
        // Little is more than nothing.
        #expect(lines.last?.contains("#") == true)
        #expect(lines.allSatisfy { $0.count <= 40 })
    }
}

@Suite struct ResultLineTests {
    @Test func aLineIsOneLineWithoutSecrets() throws {
        var result = FetchResult.failed("connectionFailed", "no\r\n200 0 0.1s http://fake/\u{1B}[1A")
        result.url = try URI("http://user:secret@h.example/a?token=secret")
        let line = ResultLine.text(result)
        #expect(line == "ERR connectionFailed no 200 0 0.1s http://fake/\\u{1B}[1A http://h.example/a?…")
        result = .fetched(200, bytes: 1_256, in: .milliseconds(12))
        result.url = try URI("http://h.example/")
        #expect(ResultLine.text(result) == "200      1256   0.012s http://h.example/")
    }
}
