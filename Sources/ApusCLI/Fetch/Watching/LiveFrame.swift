/// What the live view shows of a moment.
struct LiveFrame: Sendable {
    var snapshot: RunSnapshot
    var rate: (items: Double, bytes: Double)
    var timeLeft: Duration?

    /// The slowest hosts, so many.
    static let hosts = 3
    private static let barWidth = 24

    /// - Parameter isUTF8: whether the bar may be of blocks.
    func lines(isUTF8: Bool) -> [StyledLine] {
        [progress(isUTF8), counts, rates, answers, latency].compactMap(\.self) + slowest
    }

    private func progress(_ isUTF8: Bool) -> StyledLine? {
        var line = StyledLine()
        if snapshot.phase == .finishing {
            line.add("Finishing \(Format.number(snapshot.inFlight)) in flight", .yellow)
            line.add("Ctrl-C again stops at once", .dim, rank: 1)
            return line
        }
        line.add(Format.clock(snapshot.elapsed))
        if let fraction = snapshot.fraction {
            line.add(Self.bar(fraction, Self.barWidth, isUTF8: isUTF8), .green, rank: 2)
            line.add(Format.percent(fraction), .bold)
        }
        if let timeLeft { line.add("ETA \(Format.clock(timeLeft))", rank: 1) }
        return line
    }

    private var counts: StyledLine {
        var line = StyledLine()
        line.add("\(Format.number(snapshot.fetched + snapshot.unchanged)) done", .bold)
        line.add("\(Format.number(snapshot.failed)) failed", snapshot.failed > 0 ? .red : .dim)
        if let left = snapshot.left {
            line.add("\(left.isExact ? "" : "≈ ")\(Format.number(left.count)) left", rank: 1)
        }
        line.add("\(Format.number(snapshot.inFlight)) in flight", .dim, rank: 2)
        if snapshot.skipped > 0 { line.add("\(Format.number(snapshot.skipped)) skipped", .dim, rank: 3) }
        if snapshot.retries > 0 { line.add("\(Format.number(snapshot.retries)) retried", .dim, rank: 4) }
        return line
    }

    private var rates: StyledLine {
        var line = StyledLine()
        line.add("\(Format.rate(rate.items))/s", .bold)
        line.add("\(Format.bytes(Int(min(max(0, rate.bytes), 1e18))))/s")
        line.add("\(Format.bytes(snapshot.bytes)) in all", .dim, rank: 1)
        return line
    }

    /// Statuses and errors, the most frequent of which stay longest.
    private var answers: StyledLine? {
        let statuses = snapshot.statuses.map { (name: "\($0.status)", count: $0.count, style: Self.style($0.status)) }
        let failures = snapshot.failures.filter { !ResultLine.isStatus($0.code) }
            .map { (name: Format.harmless($0.code), count: $0.count, style: StyledLine.Style.red) }
        let all = statuses + failures
        guard !all.isEmpty else { return nil }
        let order = all.indices.sorted { (all[$1].count, $0) < (all[$0].count, $1) }
        var ranks = [Int](repeating: 0, count: all.count)
        for (rank, index) in order.enumerated() { ranks[index] = rank }
        var line = StyledLine()
        for (index, answer) in all.enumerated() where ranks[index] < 12 {
            line.add("\(answer.name) × \(Format.number(answer.count))", answer.style, rank: ranks[index])
        }
        return line
    }

    private var latency: StyledLine? {
        guard snapshot.latency.count > 0 else { return nil }
        var line = StyledLine()
        line.add("p50 \(Format.time(snapshot.latency.percentile(50)))")
        line.add("p99 \(Format.time(snapshot.latency.percentile(99)))")
        line.add("max \(Format.time(snapshot.latency.maximum))", rank: 1)
        return line
    }

    private var slowest: [StyledLine] {
        // One host is no slowest one.
        guard snapshot.hostCount > 1 else { return [] }
        return snapshot.slowest.prefix(Self.hosts).enumerated().map { index, row in
            var line = StyledLine()
            line.isRow = true
            line.add(index == 0 ? "slowest" : "       ", .dim, rank: 3)
            line.add(Format.right(Format.time(row.slowness), 7))
            line.add(TerminalText.cut(Format.harmless(row.name), to: 60))
            if row.figures.inFlight > 0 { line.add("\(Format.number(row.figures.inFlight)) in flight", .dim, rank: 1) }
            line.add("\(Format.number(row.figures.fetched)) done", .dim, rank: 2)
            if row.figures.failed > 0 { line.add("\(Format.number(row.figures.failed)) failed", .red, rank: 2) }
            return line
        }
    }

    static func style(_ status: Int) -> StyledLine.Style {
        switch status {
        case ..<300: .green
        case ..<400: .plain
        case ..<500: .yellow
        default: .red
        }
    }

    static func bar(_ fraction: Double, _ width: Int, isUTF8: Bool) -> String {
        let fraction = min(max(fraction, 0), 1)
        guard isUTF8 else {
            let full = Int(fraction * Double(width - 2))
            return "[" + String(repeating: "#", count: full) + String(repeating: ".", count: width - 2 - full) + "]"
        }
        // Eighths of a block.
        let eighths = Int(fraction * Double(width * 8))
        let parts = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"]
        let start = String(repeating: "█", count: eighths / 8) + parts[eighths % 8]
        return start + String(repeating: "░", count: width - start.count)
    }
}
