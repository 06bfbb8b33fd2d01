/// A picture with axes, in the units of its own view box.
struct SVGChart {
    var width: Double
    var height: Double
    var left = 68.0
    var right = 10.0
    var top = 10.0
    var bottom = 24.0
    private var parts: [HTML] = []

    init(width: Double, height: Double, top: Double = 10) {
        self.width = width
        self.height = height
        self.top = top
    }

    /// From 0, left, to 1, right.
    func x(_ fraction: Double) -> Double { left + fraction * (width - left - right) }
    /// From 0, bottom, to 1, top.
    func y(_ fraction: Double) -> Double { height - bottom - fraction * (height - top - bottom) }

    mutating func line(_ kind: String, _ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double) {
        parts.append(
            .element(
                "line",
                [
                    "class": kind, "x1": Self.number(x1), "y1": Self.number(y1), "x2": Self.number(x2),
                    "y2": Self.number(y2),
                ]
            )
        )
    }

    mutating func text(_ text: String, _ kind: String, _ x: Double, _ y: Double) {
        parts.append(.element("text", ["class": kind, "x": Self.number(x), "y": Self.number(y)], .text(text)))
    }

    /// - Parameter title: what is said of it where the pointer is.
    mutating func rectangle(_ kind: String, x: Double, y: Double, width: Double, height: Double, title: String) {
        parts.append(
            .element(
                "rect",
                [
                    "class": kind, "x": Self.number(x), "y": Self.number(y), "width": Self.number(width),
                    "height": Self.number(height),
                ],
                .element("title", [:], .text(title))
            )
        )
    }

    mutating func path(_ kind: String, _ path: String) { parts.append(.element("path", ["class": kind, "d": path])) }

    /// Lines across, with what they stand for.
    mutating func rows(_ ticks: [(fraction: Double, label: String)]) {
        for tick in ticks {
            line(tick.fraction == 0 ? "axis" : "grid", left, y(tick.fraction), width - right, y(tick.fraction))
            text(tick.label, "end", left - 8, y(tick.fraction) + 4)
        }
    }

    /// Marks below.
    mutating func columns(_ ticks: [(fraction: Double, label: String)]) {
        for tick in ticks {
            line("axis", x(tick.fraction), y(0), x(tick.fraction), y(0) + 4)
            text(tick.label, tick.fraction > 0.97 ? "end" : "middle", x(tick.fraction), y(0) + 18)
        }
    }

    /// - Parameter kind: `broad` or `narrow`: which screens it is for.
    func html(_ kind: String, label: String) -> HTML {
        .element(
            "svg",
            [
                "class": kind, "viewBox": "0 0 \(Self.number(width)) \(Self.number(height))", "role": "img",
                "aria-label": label,
            ],
            .all(parts)
        )
    }

    static func number(_ value: Double) -> String { value.isFinite ? Format.decimal(value, 1) : "0" }
}
