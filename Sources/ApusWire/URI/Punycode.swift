/// Bootstring for host names (RFC 3492): letters outside of ASCII written with ASCII letters and digits.
enum Punycode {
    // RFC 3492 §5: the parameters of Punycode.
    private static let base: UInt32 = 36
    private static let minimumThreshold: UInt32 = 1
    private static let maximumThreshold: UInt32 = 26
    private static let skew: UInt32 = 38
    private static let damping: UInt32 = 700
    private static let initialBias: UInt32 = 72
    private static let initialCode: UInt32 = 128

    /// The encoded label, without the prefix `xn--`.
    ///
    /// The work grows with the square of the label's length: callers bound it by that of a DNS label.
    ///
    /// - Returns: nil if a number of the algorithm overflows (RFC 3492 §6.4).
    static func encode(_ label: some Collection<Unicode.Scalar>) -> [UInt8]? {
        // §6.3: the ASCII characters come first, as they are, and then a delimiter if there are any.
        var output = label.filter { $0.value < 0x80 }.map { UInt8(truncatingIfNeeded: $0.value) }
        let basicCount = UInt32(truncatingIfNeeded: output.count)
        if basicCount > 0 { output.append(0x2D) }
        let total = UInt32(truncatingIfNeeded: label.count)
        var code = initialCode
        var delta: UInt32 = 0
        var bias = initialBias
        var handled = basicCount
        while handled < total {
            guard let next = label.lazy.map(\.value).filter({ $0 >= code }).min() else { return nil }
            let (step, overflow) = (next &- code).multipliedReportingOverflow(by: handled &+ 1)
            let (sum, carry) = delta.addingReportingOverflow(step)
            guard !overflow, !carry else { return nil }
            delta = sum
            code = next
            for scalar in label {
                if scalar.value < code {
                    guard delta < UInt32.max else { return nil }
                    delta &+= 1
                }
                guard scalar.value == code else { continue }
                appendVariableLength(delta, bias, to: &output)
                bias = adapt(delta, count: handled &+ 1, isFirst: handled == basicCount)
                delta = 0
                handled &+= 1
            }
            guard delta < UInt32.max, code < UInt32.max else { return nil }
            delta &+= 1
            code &+= 1
        }
        return output
    }

    // §6.3: a number as digits of base 36, least significant first; each position's threshold says which digit is last.
    private static func appendVariableLength(_ delta: UInt32, _ bias: UInt32, to output: inout [UInt8]) {
        var rest = delta
        var position = base
        while true {
            let threshold = min(max(position > bias ? position &- bias : 0, minimumThreshold), maximumThreshold)
            if rest < threshold { break }
            output.append(digit(threshold &+ (rest &- threshold) % (base &- threshold)))
            rest = (rest &- threshold) / (base &- threshold)
            position &+= base
        }
        output.append(digit(rest))
    }

    // §6.1.
    private static func adapt(_ delta: UInt32, count: UInt32, isFirst: Bool) -> UInt32 {
        var delta = isFirst ? delta / damping : delta / 2
        delta &+= delta / count
        var bias: UInt32 = 0
        while delta > ((base &- minimumThreshold) &* maximumThreshold) / 2 {
            delta /= base &- minimumThreshold
            bias &+= base
        }
        return bias &+ (base &- minimumThreshold &+ 1) &* delta / (delta &+ skew)
    }

    // §5: a to z are 0 to 25, 0 to 9 are 26 to 35.
    private static func digit(_ value: UInt32) -> UInt8 {
        let value = UInt8(truncatingIfNeeded: value)
        return value < 26 ? 0x61 &+ value : 0x30 &+ (value &- 26)
    }
}
