/// The value of Content-Range (RFC 9110 §14.4): which part of a representation a body is.
public struct ContentRange: Sendable, Hashable, CustomStringConvertible {
    /// The bytes that the body has; nil in a 416 response, where it only tells the size.
    public let range: Range<Int>?
    /// The size of the whole; nil if unknown.
    public let size: Int?

    /// These bytes of so many.
    ///
    /// - Parameters:
    ///   - range: not empty, and within the size; nil for a 416 response, which needs a size.
    ///   - size: of the whole, nil if unknown.
    public init?(range: Range<Int>?, size: Int?) {
        if let range {
            guard !range.isEmpty, range.lowerBound >= 0, range.upperBound <= size ?? Int.max else { return nil }
        } else {
            guard size != nil else { return nil }
        }
        guard size ?? 0 >= 0 else { return nil }
        self.range = range
        self.size = size
    }

    // §14.4: Content-Range = range-unit SP ( range-resp / unsatisfied-range ); range-resp = first-pos "-" last-pos "/"
    // ( complete-length / "*" ); unsatisfied-range = "*/" complete-length. An invalid one must not be used to put parts
    // together.
    /// Parses the value of a Content-Range field; nil if its unit is not `bytes`, or it contradicts itself.
    public init?(_ text: String) {
        var scanner = HeaderScanner(text)
        scanner.skipSpace()
        guard let unit = scanner.takeToken(), HeaderScanner.lowercased(unit) == "bytes", scanner.take(0x20) else {
            return nil
        }
        scanner.skipSpace()
        var range: Range<Int>?
        if !scanner.take(0x2A) {
            guard let first = Self.number(&scanner), scanner.take(0x2D), let last = Self.number(&scanner), last >= first
            else { return nil }
            range = first..<last + 1
        }
        guard scanner.take(0x2F) else { return nil }
        var size: Int?
        if !scanner.take(0x2A) {
            guard let number = Self.number(&scanner) else { return nil }
            size = number
        }
        scanner.skipSpace()
        guard scanner.isAtEnd else { return nil }
        self.init(range: range, size: size)
    }

    /// Digits; nil if there are none, or the number is `Int.max` or larger.
    private static func number(_ scanner: inout HeaderScanner) -> Int? {
        let digits = scanner.takeUntil { $0 &- 0x30 >= 10 }
        let value = ByteRange.number(digits)
        return digits.isEmpty || value == Int.max ? nil : value
    }

    /// As in a Content-Range field.
    public var description: String {
        "bytes \(range.map { "\($0.lowerBound)-\($0.upperBound - 1)" } ?? "*")/\(size.map(String.init) ?? "*")"
    }
}
