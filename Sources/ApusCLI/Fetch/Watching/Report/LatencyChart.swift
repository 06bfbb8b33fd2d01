import Glibc

/// How many requests took how long, with the percentiles.
struct LatencyChart {
    var latency: LatencyDistribution

    func html(_ kind: String) -> HTML {
        let isNarrow = kind == "narrow"
        var chart = SVGChart(width: isNarrow ? 420 : 960, height: isNarrow ? 224 : 254, top: 60)
        let bars = latency.bars(atMost: isNarrow ? 30 : 70)
        let ticks = ChartScale.ticks(to: Double(bars.map(\.count).max() ?? 0), steps: 4)
        let maximum = ticks.last ?? 1
        chart.rows(ticks.filter { $0 == $0.rounded() }.map { ($0 / maximum, Format.number(Int($0))) })
        chart.columns(labels(bars, atMost: isNarrow ? 5 : 11))
        let width = (chart.x(1) - chart.x(0)) / Double(max(1, bars.count))
        for (index, bar) in bars.enumerated() where bar.count > 0 {
            let height = max(1.5, chart.y(0) - chart.y(Double(bar.count) / maximum))
            chart.rectangle(
                "bar",
                x: chart.x(0) + Double(index) * width + width * 0.06,
                y: chart.y(0) - height,
                width: width * 0.88,
                height: height,
                title: title(bar)
            )
        }
        marks(bars, &chart)
        return chart.html(kind, label: "How many requests took how long")
    }

    private func title(_ bar: LatencyDistribution.Bar) -> String {
        let range =
            bar.upper.map { "\(Format.roundTime(bar.lower)) to \(Format.roundTime($0))" }
            ?? "more than \(Format.roundTime(bar.lower))"
        let share = Format.decimal(Double(bar.count) / Double(max(1, latency.count)) * 100, 2)
        return "\(range): \(Format.number(bar.count)) (\(share) %)"
    }

    /// At the ends of bars, as round ones as give enough of them.
    private func labels(_ bars: [LatencyDistribution.Bar], atMost limit: Int) -> [(fraction: Double, label: String)] {
        let ends = bars.enumerated().map { (index: $0.offset, time: $0.element.lower) }
        func digits(_ time: Duration) -> Int64 {
            var value = time.inNanoseconds
            while value > 0, value % 10 == 0 { value /= 10 }
            return value
        }
        for wanted: Set<Int64> in [[1, 2, 5, 125, 16, 25, 315, 4, 63, 8], [1, 2, 5], [1]] {
            let chosen = ends.filter { wanted.contains(digits($0.time)) }
            guard chosen.count <= limit || wanted == [1] else { continue }
            return chosen.map { (Double($0.index) / Double(max(1, bars.count)), Format.roundTime($0.time)) }
        }
        return []
    }

    /// The percentiles. Their names stand in rows of their own, so that none covers another, and above the lines.
    private func marks(_ bars: [LatencyDistribution.Bar], _ chart: inout SVGChart) {
        guard latency.count > 0 else { return }
        var labels: [(text: String, kind: String, x: Double, y: Double)] = []
        for percentile in Summary.percentiles where percentile.name != "max" {
            let time = latency.percentile(percentile.value)
            guard let fraction = Self.place(of: time, bars) else { continue }
            let x = chart.x(fraction)
            let row = 12.0 + Double(labels.count) * 14
            chart.line("mark", x, row + 4, x, chart.y(0))
            // There may be no room on the right.
            let isRight = fraction > (chart.width > 500 ? 0.88 : 0.72)
            let text = "\(percentile.name) \(Format.time(time))"
            labels.append((text, isRight ? "mark end" : "mark", x + (isRight ? -5 : 5), row + 4))
        }
        for label in labels { chart.text(label.text, label.kind, label.x, label.y) }
    }

    /// Where a time stands on the axis, from 0 to 1.
    private static func place(of time: Duration, _ bars: [LatencyDistribution.Bar]) -> Double? {
        guard let index = bars.firstIndex(where: { $0.upper.map { time <= $0 } ?? true }) else { return nil }
        var inside = 0.5
        let bar = bars[index]
        if let upper = bar.upper, bar.lower > .zero {
            inside = log(time.inSeconds / bar.lower.inSeconds) / log(upper.inSeconds / bar.lower.inSeconds)
        }
        return (Double(index) + min(max(inside, 0), 1)) / Double(bars.count)
    }
}
