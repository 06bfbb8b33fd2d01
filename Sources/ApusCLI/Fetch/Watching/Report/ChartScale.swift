/// Round numbers along an axis.
enum ChartScale {
    /// From zero to the first round number that is not below `maximum`, in about so many steps.
    static func ticks(to maximum: Double, steps: Int) -> [Double] {
        guard maximum > 0, maximum.isFinite else { return [0, 1] }
        let wanted = maximum / Double(max(1, steps))
        var step = 1.0
        while step > wanted { step /= 10 }
        while step * 10 <= wanted { step *= 10 }
        step *= [1.0, 2, 5, 10].first { $0 * step >= wanted * 0.999_999 } ?? 10
        return ticks(to: maximum, step: step)
    }

    /// Moments of a run, in seconds: round in seconds, minutes and hours.
    static func times(to maximum: Double, steps: Int) -> [Double] {
        guard maximum > 0, maximum.isFinite else { return [0] }
        let wanted = maximum / Double(max(1, steps))
        let round: [Double] = [
            0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400,
            21_600, 43_200, 86_400,
        ]
        var step = round.first { $0 >= wanted } ?? 86_400
        while step < wanted { step *= 2 }
        return Array(ticks(to: maximum, step: step).filter { $0 <= maximum })
    }

    /// A moment as short as its neighbours let it be.
    static func label(time seconds: Double, step: Double) -> String {
        if seconds == 0 { return "0" }
        return step < 1 ? "\(Format.decimal(seconds, step < 0.1 ? 2 : 1)) s" : Format.clock(.seconds(seconds))
    }

    private static func ticks(to maximum: Double, step: Double) -> [Double] {
        var result = [0.0]
        while let last = result.last, last < maximum * 0.999_999, result.count < 100 {
            result.append(Double(result.count) * step)
        }
        return result
    }
}
