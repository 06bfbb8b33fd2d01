/// One range of a Range field with the unit `bytes` (RFC 9110 §14.1.2).
public enum ByteRange: Sendable, Hashable, CustomStringConvertible {
    /// From one byte to another, both included; to the end if the last is nil. The first byte is number 0.
    case from(Int, last: Int?)
    /// The last so many bytes.
    case suffix(Int)

    /// More ranges than this make a Range field one that is ignored: many small ones are an attack on the server
    /// (RFC 9110 §17.15).
    public static let maximumCount = 32

    // RFC 9110 §14.2: Range = range-unit "=" range-set; §14.1.1: int-range = first-pos "-" [ last-pos ], suffix-range = "-"
    // suffix-length; a range whose last position is before its first is invalid, and so is the whole field.
    /// The ranges of a Range field; nil if it is to be ignored: another unit, malformed, or more than `maximumCount`.
    public static func parse(_ text: String) -> [ByteRange]? {
        var scanner = HeaderScanner(text)
        scanner.skipSpace()
        guard let unit = scanner.takeToken(), HeaderScanner.lowercased(unit) == "bytes", scanner.take(0x3D) else {
            return nil
        }
        var ranges: [ByteRange] = []
        while !scanner.isAtEnd {
            scanner.skipSpace()
            // RFC 9110 §5.6.1.2: empty elements of lists are ignored.
            if scanner.take(0x2C) { continue }
            if scanner.isAtEnd { break }
            let first = scanner.takeUntil { $0 &- 0x30 >= 10 }
            guard scanner.take(0x2D) else { return nil }
            let last = scanner.takeUntil { $0 &- 0x30 >= 10 }
            scanner.skipSpace()
            guard scanner.isAtEnd || scanner.current == 0x2C, ranges.count < maximumCount else { return nil }
            if first.isEmpty {
                guard !last.isEmpty else { return nil }
                ranges.append(.suffix(number(last)))
            } else {
                let end = last.isEmpty ? nil : number(last)
                guard end ?? Int.max >= number(first) else { return nil }
                ranges.append(.from(number(first), last: end))
            }
        }
        return ranges.isEmpty ? nil : ranges
    }

    /// The value of a Range field that asks for these.
    public static func field(_ ranges: [ByteRange]) -> String {
        "bytes=" + ranges.map(\.description).joined(separator: ", ")
    }

    // §14.1.2: a last position beyond the end means the end; a suffix longer than everything means everything.
    /// The bytes it means of a representation of this size; nil if it has none (416).
    public func resolved(size: Int) -> Range<Int>? {
        switch self {
        case .from(let first, let last):
            guard first >= 0, first < size else { return nil }
            let end = min(last ?? size - 1, size - 1)
            return end >= first ? first..<end + 1 : nil
        case .suffix(let count):
            guard count > 0, size > 0 else { return nil }
            return max(0, size - count)..<size
        }
    }

    /// As in a Range field, without the unit.
    public var description: String {
        switch self {
        case .from(let first, let last): "\(first)-\(last.map(String.init) ?? "")"
        case .suffix(let count): "-\(count)"
        }
    }

    /// The number that digits stand for; the largest one if they are too many.
    static func number(_ digits: ArraySlice<UInt8>) -> Int {
        var value = 0
        for digit in digits {
            let (scaled, overflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, carry) = scaled.addingReportingOverflow(Int(digit &- 0x30))
            if overflow || carry { return Int.max }
            value = sum
        }
        return value
    }
}
