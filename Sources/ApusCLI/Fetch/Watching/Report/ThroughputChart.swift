/// How much was done when.
struct ThroughputChart {
    var series: ThroughputSeries
    var elapsed: Duration

    private struct Step {
        var start: Double
        var end: Double
        var fetched: Double
        var failed: Double
        var bytes: Double
    }

    /// URLs each second: what was fetched, and on top of it what failed.
    func items(_ kind: String) -> HTML {
        draw(kind, label: "URLs each second", format: Format.rate) { chart, steps, maximum in
            chart.path("fetched", Self.area(steps, chart, maximum, from: { _ in 0 }, to: \.fetched))
            if steps.contains(where: { $0.failed > 0 }) {
                let path = Self.area(steps, chart, maximum, from: \.fetched, to: { $0.fetched + $0.failed })
                chart.path("failed", path)
            }
        } value: {
            $0.fetched + $0.failed
        }
    }

    /// Bytes each second.
    func bytes(_ kind: String) -> HTML {
        draw(kind, label: "Bytes each second", format: { Format.bytes(Int(min($0, 1e18))) }) { chart, steps, maximum in
            chart.path("bytes", Self.area(steps, chart, maximum, from: { _ in 0 }, to: \.bytes))
        } value: {
            $0.bytes
        }
    }

    private func draw(
        _ kind: String,
        label: String,
        format: (Double) -> String,
        _ body: (inout SVGChart, [Step], Double) -> Void,
        value: (Step) -> Double
    ) -> HTML {
        let isNarrow = kind == "narrow"
        var chart = SVGChart(width: isNarrow ? 420 : 960, height: isNarrow ? 190 : 210)
        let steps = self.steps
        let ticks = ChartScale.ticks(to: steps.map(value).max() ?? 0, steps: 4)
        let maximum = ticks.last ?? 1
        chart.rows(ticks.map { ($0 / maximum, format($0)) })
        let end = steps.last?.end ?? 0
        let times = ChartScale.times(to: end, steps: isNarrow ? 4 : 8)
        let step = times.count > 1 ? times[1] - times[0] : 1
        chart.columns(times.map { (end > 0 ? $0 / end : 0, ChartScale.label(time: $0, step: step)) })
        body(&chart, steps, maximum)
        return chart.html(kind, label: label)
    }

    /// Rates, from the slices. The last one is over when the run is; if that was soon, it counts with the one before.
    private var steps: [Step] {
        let width = series.width.inSeconds
        let total = elapsed.inSeconds
        var slices = series.slices
        var end = max(total, Double(slices.count - 1) * width)
        if slices.count > 1, end - Double(slices.count - 1) * width < width / 4, let last = slices.popLast() {
            slices[slices.count - 1] = slices[slices.count - 1] + last
        }
        if slices.isEmpty { end = 0 }
        return slices.enumerated().map { index, slice in
            let start = Double(index) * width
            let stop = index == slices.count - 1 ? end : start + width
            let time = max(stop - start, 1e-6)
            return Step(
                start: start,
                end: stop,
                fetched: Double(slice.fetched) / time,
                failed: Double(slice.failed) / time,
                bytes: Double(slice.bytes) / time
            )
        }
    }

    private static func area(
        _ steps: [Step],
        _ chart: SVGChart,
        _ maximum: Double,
        from lower: (Step) -> Double,
        to upper: (Step) -> Double
    ) -> String {
        guard let end = steps.last?.end, end > 0, let first = steps.first else { return "" }
        func point(_ time: Double, _ value: Double) -> String {
            "\(SVGChart.number(chart.x(time / end))) \(SVGChart.number(chart.y(value / maximum)))"
        }
        var path = "M\(point(first.start, lower(first)))"
        for step in steps { path += "L\(point(step.start, upper(step)))L\(point(step.end, upper(step)))" }
        for step in steps.reversed() { path += "L\(point(step.end, lower(step)))L\(point(step.start, lower(step)))" }
        return path + "Z"
    }
}
