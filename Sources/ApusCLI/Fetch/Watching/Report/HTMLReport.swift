import Glibc

/// A run as one page that needs nothing else: no script, nothing from the network, and only styles are allowed to it.
struct HTMLReport {
    /// The rows of the table of hosts.
    static let hostLimit = 50

    var snapshot: RunSnapshot
    var ending: Summary.Ending
    /// When the run ended, in seconds since 1970.
    var time: Int = Glibc.time(nil)

    /// The page in UTF-8.
    var page: String {
        let policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
        let head = HTML.all([
            HTML("<meta charset=\"utf-8\">"),
            HTML("<meta http-equiv=\"Content-Security-Policy\" content=\"") + .text(policy) + HTML("\">"),
            HTML("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"),
            HTML("<meta name=\"robots\" content=\"noindex\"><meta name=\"referrer\" content=\"no-referrer\">"),
            .element("title", [:], .text(title)),
            .element("style", [:], ReportStyle.sheet),
        ])
        let body = HTML.element("main", [:], header, tiles, throughput, latency, answers, hosts, footer)
        let html = HTML("<!doctype html>\n<html lang=\"en\"><head>") + head + HTML("</head>\n<body>") + body
        return html.source + "</body></html>\n"
    }

    private var title: String {
        let all = snapshot.done + snapshot.skipped
        return "apus fetch: \(Format.number(all)) URL\(all == 1 ? "" : "s")"
    }

    private var header: HTML {
        let badge: HTML
        switch ending {
        case .complete where snapshot.failed == 0: badge = .element("span", ["class": "badge good"], .text("complete"))
        case .complete:
            badge = .element("span", ["class": "badge bad"], .text("\(Format.number(snapshot.failed)) failed"))
        case .interrupted: badge = .element("span", ["class": "badge warn"], .text("interrupted"))
        case .stopped: badge = .element("span", ["class": "badge bad"], .text("stopped"))
        }
        var lines = [
            HTML.element("h1", [:], .text(title), badge),
            .element(
                "p",
                ["class": "soft"],
                .text("Ended \(Self.date(time)), after \(Format.clock(snapshot.elapsed)).")
            ),
        ]
        if case .stopped(let reason) = ending { lines.append(.element("p", ["class": "bad"], .text(reason))) }
        if snapshot.withoutCredentials > 0 {
            let count = Format.count(snapshot.withoutCredentials, "URL")
            lines.append(
                .element("p", ["class": "warn"], .text("\(count) of other hosts did not get the credentials."))
            )
        }
        return .all(lines)
    }

    private var tiles: HTML {
        let seconds = max(snapshot.elapsed.inSeconds, 1e-9)
        var tiles: [(value: String, name: String, kind: String)] = [
            (Format.number(snapshot.fetched), "fetched", ""),
            (Format.number(snapshot.failed), "failed", snapshot.failed > 0 ? "bad" : ""),
        ]
        if snapshot.unchanged > 0 { tiles.append((Format.number(snapshot.unchanged), "unchanged", "")) }
        if snapshot.skipped > 0 { tiles.append((Format.number(snapshot.skipped), "done before", "")) }
        if let left = snapshot.left, left.count > 0 {
            tiles.append(("\(left.isExact ? "" : "≈ ")\(Format.number(left.count))", "left", "warn"))
        }
        if snapshot.retries > 0 { tiles.append((Format.number(snapshot.retries), "retries", "")) }
        tiles += [
            ("\(Format.rate(Double(snapshot.done) / seconds))/s", "URLs, on average", ""),
            (Format.bytes(snapshot.bytes), "received", ""),
            ("\(Format.bytes(Int(min(Double(snapshot.bytes) / seconds, 1e18))))/s", "on average", ""),
        ]
        if snapshot.latency.count > 0 {
            tiles.append((Format.time(snapshot.latency.percentile(50)), "median latency", ""))
            tiles.append((Format.time(snapshot.latency.percentile(99)), "99th percentile", ""))
        }
        let html = tiles.map { tile in
            HTML.element(
                "div",
                ["class": "tile"],
                .element("b", ["class": tile.kind], .text(tile.value)),
                .element("span", [:], .text(tile.name))
            )
        }
        return .element("div", ["class": "tiles"], .all(html))
    }

    private var throughput: HTML {
        let chart = ThroughputChart(series: snapshot.series, elapsed: snapshot.elapsed)
        var legend = HTML.empty
        if snapshot.failed > 0 {
            legend = .element(
                "p",
                ["class": "legend"],
                HTML("<i class=\"fetched\"></i>fetched<i class=\"failed\"></i>failed")
            )
        }
        return Self.section("URLs each second", "", legend, chart.items("broad"), chart.items("narrow"))
            + Self.section("Bytes each second", "", chart.bytes("broad"), chart.bytes("narrow"))
    }

    private var latency: HTML {
        guard snapshot.latency.count > 0 else { return .empty }
        let chart = LatencyChart(latency: snapshot.latency)
        let cells = Summary.percentiles + [("mean", -1)]
        let names = cells.map { HTML.element("th", [:], .text($0.name)) }
        let values = cells.map { name, value in
            let time = value < 0 ? snapshot.latency.mean : snapshot.latency.percentile(value)
            return HTML.element("td", [:], .text(Format.time(time)))
        }
        let table = HTML.element(
            "table",
            ["class": "even"],
            .element("tr", [:], .all(names)),
            .element("tr", [:], .all(values))
        )
        return Self.section(
            "Latency",
            "how many URLs took how long, retries included",
            chart.html("broad"),
            chart.html("narrow"),
            .element("div", ["class": "scroll"], table)
        )
    }

    private var answers: HTML {
        let rows = snapshot.statuses.map { status, count in
            let kind = status >= 500 ? "bar bad" : status >= 400 ? "bar warn" : "bar"
            return Self.row([
                .element("td", [:], .text("\(status)")), Self.number(count),
                .element("td", ["class": "wide"], Self.meter(count, of: snapshot.done, kind)),
            ])
        }
        let statuses =
            rows.isEmpty
            ? HTML.element("p", ["class": "soft"], .text("No answer came."))
            : Self.table([("Status", ""), ("URLs", "number"), ("Share", "wide")], rows)
        let failures = snapshot.failures.map { failure in
            let host = failure.host.map { "\($0): " } ?? ""
            return Self.row([
                .element("td", ["class": "bad"], .text(failure.code)), Self.number(failure.count),
                .element("td", ["class": "example"], .text(host + failure.example)),
            ])
        }
        let errors =
            failures.isEmpty
            ? HTML.element("p", ["class": "soft"], .text("None."))
            : Self.table([("Error", ""), ("URLs", "number"), ("The first of them", "")], failures)
        return .element(
            "div",
            ["class": "pair"],
            Self.section("Statuses", "", statuses),
            Self.section("Errors", "", errors)
        )
    }

    private var hosts: HTML {
        guard !snapshot.slowest.isEmpty else { return .empty }
        let slowest = snapshot.slowest.map(\.slowness).max() ?? .zero
        var rows = snapshot.slowest.map { row in
            var name = HTML.text(row.name)
            if row.figures.inFlight > 0 {
                let text = "\(Format.number(row.figures.inFlight)) not answered, waited \(Format.time(row.slowness))"
                name = name + .element("small", ["class": "warn"], .text(text))
            }
            return Self.hostRow(name, row.figures, meter: (row.slowness.inSeconds, slowest.inSeconds))
        }
        if let others = snapshot.otherHosts {
            rows.append(Self.hostRow(.element("span", ["class": "soft"], .text("all others")), others, meter: nil))
        }
        let note =
            snapshot.otherHosts == nil
            ? "the slowest first" : "the \(snapshot.slowest.count) slowest"
        return Self.section(
            "Hosts",
            note,
            Self.table(
                [
                    ("Host", ""), ("Fetched", "number"), ("Failed", "number"), ("Received", "number extra"),
                    ("Mean", "number"), ("Longest", "number extra"), ("", "wide"),
                ],
                rows
            )
        )
    }

    private var footer: HTML {
        .element(
            "footer",
            [:],
            .text("Made by apus fetch --html-report. Times are from a URL's first attempt to its last byte.")
        )
    }

    // MARK: Parts

    private static func section(_ title: String, _ note: String, _ content: HTML...) -> HTML {
        let small = note.isEmpty ? HTML.empty : .element("small", [:], .text(note))
        return .element("section", [:], .element("h2", [:], .text(title), small), .all(content))
    }

    /// - Parameter columns: their names, and their kinds.
    private static func table(_ columns: [(name: String, kind: String)], _ rows: [HTML]) -> HTML {
        let head = columns.map { HTML.element("th", ["class": $0.kind], .text($0.name)) }
        return .element(
            "div",
            ["class": "scroll"],
            .element(
                "table",
                [:],
                .element("thead", [:], .element("tr", [:], .all(head))),
                .element("tbody", [:], .all(rows))
            )
        )
    }

    private static func row(_ cells: [HTML]) -> HTML { .element("tr", [:], .all(cells)) }

    private static func number(_ value: Int) -> HTML {
        .element("td", ["class": "number"], .text(Format.number(value)))
    }

    private static func hostRow(_ name: HTML, _ host: HostTable.Host, meter: (value: Double, of: Double)?) -> HTML {
        func time(_ time: Duration, _ kind: String) -> HTML {
            .element("td", ["class": kind], .text(host.done == 0 || time == .zero ? "" : Format.time(time)))
        }
        return row([
            .element("td", ["class": "name"], name), number(host.fetched),
            .element("td", ["class": host.failed > 0 ? "number bad" : "number"], .text(Format.number(host.failed))),
            .element("td", ["class": "number extra"], .text(Format.bytes(host.bytes))), time(host.mean, "number"),
            time(host.longest, "number extra"),
            .element("td", ["class": "wide"], meter.map { Self.meter($0.value / max($0.of, 1e-12), "bar") } ?? .empty),
        ])
    }

    private static func meter(_ count: Int, of all: Int, _ kind: String) -> HTML {
        meter(Double(count) / Double(max(1, all)), kind)
    }

    private static func meter(_ fraction: Double, _ kind: String) -> HTML {
        let width = SVGChart.number(max(fraction > 0 ? 0.5 : 0, min(fraction, 1) * 100))
        return .element(
            "svg",
            ["class": "meter", "viewBox": "0 0 100 8", "preserveAspectRatio": "none", "aria-hidden": "true"],
            .element("rect", ["class": "all", "width": "100", "height": "8"]),
            .element("rect", ["class": kind, "width": width, "height": "8"])
        )
    }

    /// `2026-11-30 12:34:56 UTC`.
    static func date(_ seconds: Int) -> String {
        var seconds = time_t(seconds)
        var parts = tm()
        gmtime_r(&seconds, &parts)
        func two(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let day = "\(parts.tm_year + 1900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday))"
        return "\(day) \(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec)) UTC"
    }
}
