/// What is said of a run at its end.
struct Summary: Sendable {
    /// How it ended.
    enum Ending: Sendable, Equatable {
        case complete
        case interrupted
        /// The run ended before its input did; why, as a sentence, not yet made harmless.
        case stopped(String)
    }

    var snapshot: RunSnapshot
    var ending: Ending
    /// The command that goes on with the run, if one can.
    var resume: String?

    /// Requests that are too few for a picture of them.
    private static let pictureMinimum = 20
    private static let barLimit = 18
    /// Percentages for ``DurationHistogram``, and their names.
    static let percentiles: [(name: String, value: Double)] = [
        ("p50", 50), ("p90", 90), ("p99", 99), ("p99.9", 99.9), ("max", 100),
    ]

    /// - Parameters:
    ///   - width: of the terminal, or as much as is wanted.
    ///   - isUTF8: whether bars may be of blocks.
    func lines(width: Int, isUTF8: Bool) -> [StyledLine] {
        var lines = [headline]
        let isOne = snapshot.done <= 1
        if !isOne {
            lines += statuses + failures(width) + latency
            if snapshot.latency.count >= Self.pictureMinimum {
                lines += Self.picture(snapshot.latency, width: width, isUTF8: isUTF8)
            }
            lines += slowest
        }
        // The command at the end is to be copied, so the terminal breaks it, who knows where.
        return (lines + credentials).flatMap { $0.wrapped(to: width) } + end
    }

    /// `1,000 URLs: 998 fetched, 2 failed; 12.3 MB in 1.24 s (806/s, 9.9 MB/s)`.
    private var headline: StyledLine {
        var counts = ["\(Format.number(snapshot.fetched)) fetched"]
        if snapshot.unchanged > 0 { counts.append("\(Format.number(snapshot.unchanged)) unchanged") }
        counts.append("\(Format.number(snapshot.failed)) failed")
        if snapshot.skipped > 0 { counts.append("\(Format.number(snapshot.skipped)) done before") }
        if snapshot.retries > 0 { counts.append("\(Format.number(snapshot.retries)) retried") }
        let all = snapshot.done + snapshot.skipped
        let seconds = snapshot.elapsed.inSeconds
        var text = "\(Format.number(all)) URL\(all == 1 ? "" : "s"): \(counts.joined(separator: ", ")); "
        text += "\(Format.bytes(snapshot.bytes)) in \(Format.time(snapshot.elapsed))"
        if seconds > 0, snapshot.done > 1 {
            let bytes = Format.bytes(Int(min(Double(snapshot.bytes) / seconds, 1e18)))
            text += " (\(Format.rate(Double(snapshot.done) / seconds))/s, \(bytes)/s)"
        }
        var line = StyledLine()
        line.add(text, .bold)
        return line
    }

    private var statuses: [StyledLine] {
        guard !snapshot.statuses.isEmpty else { return [] }
        var line = Self.labelled("status")
        for (status, count) in snapshot.statuses {
            line.add("\(status) × \(Format.number(count))", LiveFrame.style(status))
        }
        return [line]
    }

    private func failures(_ width: Int) -> [StyledLine] {
        let failures = snapshot.failures.filter { !ResultLine.isStatus($0.code) }
        return failures.prefix(10).enumerated().map { index, failure in
            var line = Self.labelled(index == 0 ? "errors" : "")
            line.add("\(Format.harmless(failure.code)) × \(Format.number(failure.count))", .red)
            let host = failure.host.map { "\(Format.harmless($0)): " } ?? ""
            let room = max(20, width - 3 - TerminalText.columns(of: line.text))
            line.add(TerminalText.cut("\(host)\(Format.harmless(failure.example))", to: room), .dim)
            return line
        }
    }

    private var latency: [StyledLine] {
        guard snapshot.latency.count > 0 else { return [] }
        return [Self.latency(snapshot.latency)]
    }

    static func latency(_ latency: LatencyDistribution) -> StyledLine {
        var line = labelled("latency")
        for (name, value) in percentiles { line.add("\(name) \(Format.time(latency.percentile(value)))") }
        return line
    }

    /// A bar for each stretch of time, the longest as wide as there is room.
    static func picture(_ latency: LatencyDistribution, width: Int, isUTF8: Bool) -> [StyledLine] {
        let bars = latency.bars(atMost: barLimit)
        guard let most = bars.map(\.count).max(), most > 0 else { return [] }
        let labels = bars.map { bar in
            bar.upper.map { "\(isUTF8 ? "≤" : "<=") \(Format.roundTime($0))" } ?? "> \(Format.roundTime(bar.lower))"
        }
        let counts = bars.map { Format.number($0.count) }
        let labelWidth = labels.map(\.count).max() ?? 0
        let room = max(8, min(60, width - 14 - labelWidth - (counts.map(\.count).max() ?? 0)))
        return bars.indices.compactMap { index in
            var line = StyledLine()
            if isInGap(index, bars) {
                // One row for all of them.
                guard !isInGap(index - 1, bars) else { return nil }
                line.add("         " + Format.right(isUTF8 ? "⋮" : ":", labelWidth), .dim)
                return line
            }
            line.add("         " + Format.right(labels[index], labelWidth), .dim)
            if bars[index].count > 0 {
                line.add(bar(Double(bars[index].count) / Double(most), room, isUTF8: isUTF8), .green)
            }
            line.add(counts[index])
            return line
        }
    }

    /// Whether a bar is one of at least three empty ones in a row.
    private static func isInGap(_ index: Int, _ bars: [LatencyDistribution.Bar]) -> Bool {
        func isEmpty(_ index: Int) -> Bool { bars.indices.contains(index) && bars[index].count == 0 }
        guard isEmpty(index) else { return false }
        let before = (isEmpty(index - 1) ? 1 : 0) + (isEmpty(index - 1) && isEmpty(index - 2) ? 1 : 0)
        let after = (isEmpty(index + 1) ? 1 : 0) + (isEmpty(index + 1) && isEmpty(index + 2) ? 1 : 0)
        return before + after >= 2
    }

    private var slowest: [StyledLine] {
        guard snapshot.hostCount > 1 else { return [] }
        return snapshot.slowest.prefix(5).enumerated().map { index, row in
            var line = Self.labelled(index == 0 ? "slowest" : "")
            line.add(Format.right(Format.time(row.slowness), 7))
            line.add(TerminalText.cut(Format.harmless(row.name), to: 60))
            line.add("\(Format.number(row.figures.fetched)) fetched", .dim)
            if row.figures.inFlight > 0 { line.add("\(Format.number(row.figures.inFlight)) not answered", .yellow) }
            if row.figures.failed > 0 { line.add("\(Format.number(row.figures.failed)) failed", .red) }
            return line
        }
    }

    private var credentials: [StyledLine] {
        guard snapshot.withoutCredentials > 0 else { return [] }
        var line = StyledLine()
        let noun = snapshot.withoutCredentials == 1 ? "URL" : "URLs"
        line.add(
            "\(Format.number(snapshot.withoutCredentials)) \(noun) of other hosts did not get the credentials (--auth-host names another host).",
            .yellow
        )
        return [line]
    }

    /// Why it ended, and how to go on; nothing if it is complete.
    var end: [StyledLine] {
        var text: String
        switch ending {
        case .complete: return []
        case .interrupted: text = "Interrupted"
        case .stopped(let reason):
            // The full stop comes at the end of the line.
            text = "Stopped: \(Format.harmless(reason.hasSuffix(".") ? String(reason.dropLast()) : reason))"
        }
        if let left = snapshot.left {
            text += "\(text.hasSuffix(".") ? "" : ",") \(left.isExact ? "" : "about ")\(Format.number(left.count)) left"
        }
        guard let resume else { return [Self.line("\(text).", .yellow)] }
        return [Self.line("\(text). Go on with:", .yellow), Self.line("    \(Format.harmless(resume))")]
    }

    private static func line(_ text: String, _ style: StyledLine.Style = .plain) -> StyledLine {
        var line = StyledLine()
        line.add(text, style)
        return line
    }

    static func labelled(_ label: String) -> StyledLine {
        var line = StyledLine()
        line.add(Format.left("", 2) + Format.left(label, 7), .dim)
        return line
    }

    /// Nothing is drawn as nothing, and little as a little.
    static func bar(_ fraction: Double, _ width: Int, isUTF8: Bool) -> String {
        guard fraction > 0 else { return "" }
        guard isUTF8 else { return String(repeating: "#", count: max(1, Int((fraction * Double(width)).rounded()))) }
        let eighths = max(1, Int((fraction * Double(width * 8)).rounded()))
        let parts = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"]
        return String(repeating: "█", count: eighths / 8) + parts[eighths % 8]
    }
}
