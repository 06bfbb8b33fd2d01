import Apus
import Glibc
import Testing

@testable import ApusCLI

@Suite struct HTMLReportTests {
    private func page(_ ending: Summary.Ending = .complete, _ change: (RunStatistics) -> Void) -> String {
        let clock = HandClock()
        let statistics = RunStatistics(clock: clock.clock)
        change(statistics)
        clock.advance(.seconds(3))
        return HTMLReport(snapshot: statistics.snapshot(hosts: HTMLReport.hostLimit), ending: ending, time: 0).page
    }

    /// Names of elements and attributes, with their values, as a browser sees them; throws where elements do not nest.
    private func tags(_ page: String) throws -> [(name: String, attributes: [String: String])] {
        struct Malformed: Error {}
        var tags: [(name: String, attributes: [String: String])] = []
        var open: [String] = []
        for part in page.split(separator: "<").dropFirst() {
            guard let end = part.firstIndex(of: ">") else { throw Malformed() }
            let tag = part[..<end]
            if tag.hasPrefix("/") {
                guard open.popLast() == String(tag.dropFirst()) else { throw Malformed() }
                continue
            }
            if tag.hasPrefix("!") { continue }
            let name = String(tag.prefix { $0 != " " })
            var attributes: [String: String] = [:]
            var rest = tag.dropFirst(name.count)
            while let equals = rest.firstIndex(of: "=") {
                let key = rest[..<equals].drop { $0 == " " }
                rest = rest[equals...].dropFirst()
                guard rest.popFirst() == "\"", let close = rest.firstIndex(of: "\"") else { throw Malformed() }
                attributes[String(key)] = String(rest[..<close])
                rest = rest[close...].dropFirst()
            }
            guard rest.allSatisfy({ $0 == " " }) else { throw Malformed() }
            tags.append((name, attributes))
            if name != "meta" { open.append(name) }
        }
        guard open.isEmpty else { throw Malformed() }
        return tags
    }

    private static let hostile = [
        "<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "' onmouseover='alert(1)",
        "</style><script>x</script>",
        "]]><!--", "javascript:alert(1)", "&lt;script&gt;", "a\u{202E}lmth\u{2066}.exe", "a\u{0}b\u{1B}[2J",
        "</title><svg onload=alert(1)>",
        "`${alert(1)}`",
    ]

    @Test func textsOfServersAndInputsAreNothingButText() throws {
        let harmless = try tags(
            page(.stopped("x")) { statistics in
                for _ in Self.hostile { statistics.add(.failed("code", "text"), host: "host") }
            }
        )
        for text in Self.hostile {
            let page = page(.stopped(text)) { statistics in
                for _ in Self.hostile { statistics.add(.failed("code" + text, text), host: text) }
            }
            let tags = try tags(page)
            // The same elements with the same attributes, whatever the texts are.
            #expect(tags.map(\.name) == harmless.map(\.name))
            #expect(tags.map { $0.attributes.keys.sorted() } == harmless.map { $0.attributes.keys.sorted() })
            #expect(!page.unicodeScalars.contains { "\u{202E}\u{2066}\u{0}\u{1B}".unicodeScalars.contains($0) })
        }
    }

    @Test func aBrowserMayRunAndLoadNothing() throws {
        let page = page { statistics in
            for index in 0..<300 {
                statistics.add(.fetched(bytes: 10, in: .milliseconds(index)), host: "h\(index % 70).example")
            }
            statistics.add(.failed("connectTimeout"))
        }
        let tags = try tags(page)
        let policy = tags.first { $0.attributes["http-equiv"] == "Content-Security-Policy" }?.attributes["content"]
        #expect(
            policy
                == "default-src &#39;none&#39;; style-src &#39;unsafe-inline&#39;; base-uri &#39;none&#39;; form-action &#39;none&#39;"
        )
        // Before anything that it should hold for.
        #expect(tags.prefix(4).map(\.name) == ["html", "head", "meta", "meta"])
        let names = Set(tags.map(\.name))
        #expect(names.isDisjoint(with: ["script", "iframe", "object", "embed", "link", "img", "a", "form", "base"]))
        let attributes = Set(tags.flatMap { $0.attributes.keys })
        #expect(attributes.allSatisfy { !$0.hasPrefix("on") && $0 != "href" && $0 != "src" && $0 != "style" })
        #expect(
            !page.contains("url(") && !page.contains("@import") && !page.contains("http://")
                && !page.contains("https://")
        )
    }

    @Test func theReportHasWhatTheRunHas() {
        let page = page(.interrupted) { statistics in
            statistics.setTotal(1_000)
            for index in 0..<120 {
                statistics.add(
                    .fetched(index % 3 == 0 ? 404 : 200, bytes: 1_000, in: .milliseconds(index)),
                    host: "h\(index % 70).example:80"
                )
            }
            statistics.add(.failed("connectTimeout", "Nobody answered."), host: "dead.example:80")
            statistics.addWithoutCredentials()
        }
        for text in [
            "apus fetch: 121 URLs", "interrupted", "1970-01-01 00:00:00 UTC", ">80</b><span>fetched",
            ">879</b><span>left", ">404<",
            "connectTimeout", "dead.example:80: Nobody answered.", "the 50 slowest", "all others",
            "1 URL of other hosts", "120.0 kB",
            "p99",
        ] {
            #expect(page.contains(text), "\(text)")
        }
    }

    @Test func aRunOfNothingHasAPage() throws {
        let page = page { _ in }
        #expect(page.contains("apus fetch: 0 URLs"))
        #expect(try tags(page).count > 20)
        #expect(!page.contains("nan") && !page.contains("inf"))
    }

    @Test func pathsStayInsideTheirPicture() throws {
        let page = page { statistics in
            for index in 0..<500 { statistics.add(.fetched(bytes: index, in: .milliseconds(index * 7))) }
        }
        for tag in try tags(page) where tag.name == "path" {
            let numbers = (tag.attributes["d"] ?? "").split { !$0.isNumber && $0 != "." && $0 != "-" }.compactMap {
                Double($0)
            }
            #expect(numbers.count > 4)
            #expect(numbers.allSatisfy { (0...960).contains($0) })
        }
    }

    @Test func theFileIsItsOwnersAndAppearsWhenItIsComplete() throws {
        try withScratchFolder { folder in
            let path = "\(folder)/report.html"
            let file = try HTMLReportFile(path)
            #expect(access(path, F_OK) != 0)
            try file.write(HTMLReport(snapshot: RunSnapshot(), ending: .complete))
            var status = stat()
            #expect(stat(path, &status) == 0)
            #expect(status.st_mode & 0o777 == 0o600)
            #expect(status.st_size > 1_000)
            // A second run replaces it, and leaves nothing beside it.
            try HTMLReportFile(path).write(HTMLReport(snapshot: RunSnapshot(), ending: .interrupted))
            #expect(rmdir(folder) != 0 && unlink(path) == 0 && rmdir(folder) == 0)
        }
    }

    @Test func aPlaceThatCannotBeWrittenToIsToldAtTheBeginning() throws {
        #expect(throws: WatchingError.self) { try HTMLReportFile("/nonexistent/report.html") }
        #expect(throws: WatchingError.self) { try HTMLReportFile("/") }
        let error = #expect(throws: WatchingError.self) { try HTMLReportFile("/proc/\u{1B}[2J/x") }
        #expect(error?.description == "--html-report /proc/\\u{1B}[2J/x: No such file or directory")
    }
}

@Suite struct ChartScaleTests {
    @Test func ticksAreRoundAndEnough() {
        #expect(ChartScale.ticks(to: 970, steps: 4) == [0, 500, 1_000])
        #expect(ChartScale.ticks(to: 7, steps: 4) == [0, 2, 4, 6, 8])
        #expect(ChartScale.ticks(to: 0, steps: 4) == [0, 1])
        #expect(ChartScale.ticks(to: .infinity, steps: 4) == [0, 1])
        for maximum in [0.001, 0.3, 1, 9.9, 10, 12_345, 1e15] {
            let ticks = ChartScale.ticks(to: maximum, steps: 4)
            #expect((2...6).contains(ticks.count))
            #expect((ticks.last ?? 0) >= maximum * 0.999)
        }
    }

    @Test func timesAreThoseOfClocks() {
        #expect(ChartScale.times(to: 100, steps: 8) == [0, 15, 30, 45, 60, 75, 90])
        #expect(ChartScale.label(time: 90, step: 15) == "1:30")
        #expect(ChartScale.label(time: 0.25, step: 0.05) == "0.25 s")
        #expect(ChartScale.times(to: 1e9, steps: 8).count <= 9)
    }
}
