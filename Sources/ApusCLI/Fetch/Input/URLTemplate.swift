/// A URL with ranges and lists: `https://host/{1..500}.json`, `{001..100}`, `{0..100..10}`, `{a..e}`, `{red,green}`.
///
/// With several of them it gives each combination, the last one changing fastest, as shells do and curl. It holds only its text; its
/// members are made when they are asked for. A literal brace is written `%7B` or `%7D`.
struct URLTemplate {
    private enum Part {
        case text(String)
        case list([String])
        case numbers(first: Int, step: Int, count: Int, width: Int)
        case letters(first: UInt8, step: Int, count: Int)

        var count: Int {
            switch self {
            case .text: 1
            case .list(let members): members.count
            case .numbers(_, _, let count, _), .letters(_, _, let count): count
            }
        }

        func appendMember(_ index: Int, to text: inout String) {
            switch self {
            case .text(let part): text += part
            case .list(let members): text += members[index]
            case .letters(let first, let step, _):
                text.unicodeScalars.append(Unicode.Scalar(UInt8(Int(first) + index * step)))
            case .numbers(let first, let step, _, let width):
                let digits = String(first + index * step)
                for _ in 0..<max(0, width - digits.utf8.count) { text += "0" }
                text += digits
            }
        }
    }

    /// More than this is a slip of the pen.
    static let maximumCount = 10_000_000
    private static let maximumDigits = 15

    let count: Int
    private var parts: [Part] = []

    init(_ text: String) throws(InvalidLine) {
        var count = 1
        var rest = text.utf8[...]
        while !rest.isEmpty {
            let literal = rest.prefix { $0 != UInt8(ascii: "{") && $0 != UInt8(ascii: "}") }
            if !literal.isEmpty { parts.append(.text(String(Substring(literal)))) }
            rest = rest[literal.endIndex...]
            guard let brace = rest.popFirst() else { break }
            guard brace == UInt8(ascii: "{"), let end = rest.firstIndex(of: UInt8(ascii: "}")) else {
                throw InvalidLine("a brace has no counterpart; \(Self.help)")
            }
            let part = try Self.part(Substring(rest[..<end]))
            rest = rest[rest.index(after: end)...]
            let product = count.multipliedReportingOverflow(by: part.count)
            guard !product.overflow, product.partialValue <= Self.maximumCount else {
                throw InvalidLine("its ranges give more than \(Self.maximumCount) URLs")
            }
            count = product.partialValue
            parts.append(part)
        }
        self.count = count
    }

    /// The member at this index, which is less than ``count``.
    subscript(index: Int) -> String {
        var stride = count
        var rest = index
        var text = ""
        for part in parts {
            stride /= part.count
            part.appendMember(rest / stride, to: &text)
            rest %= stride
        }
        return text
    }

    private static func part(_ text: Substring) throws(InvalidLine) -> Part {
        guard !text.utf8.contains(UInt8(ascii: "{")) else { throw InvalidLine("a brace is within braces; \(help)") }
        if text.utf8.contains(UInt8(ascii: ",")) {
            return .list(text.split(separator: ",", omittingEmptySubsequences: false).map(String.init))
        }
        let bounds = pieces(text)
        guard bounds.count == 2 || bounds.count == 3 else {
            throw InvalidLine("braces hold no range and no list; \(help)")
        }
        guard let step = bounds.count == 3 ? number(bounds[2]) : 1, step > 0 else {
            throw InvalidLine("the step of a range is no number of at least 1; \(help)")
        }
        if let first = letter(bounds[0]), let last = letter(bounds[1]), (first < 0x61) == (last < 0x61) {
            let distance = Int(last) - Int(first)
            return .letters(first: first, step: distance < 0 ? -step : step, count: abs(distance) / step + 1)
        }
        guard let first = number(bounds[0]), let last = number(bounds[1]) else {
            throw InvalidLine("the bounds of a range are no numbers of up to \(maximumDigits) digits; \(help)")
        }
        // As in shells: a zero in front of one asks for the same width of all.
        let isPadded = [bounds[0], bounds[1]].contains { $0.utf8.count > 1 && $0.hasPrefix("0") }
        return .numbers(
            first: first,
            step: last < first ? -step : step,
            count: abs(last - first) / step + 1,
            width: isPadded ? max(bounds[0].utf8.count, bounds[1].utf8.count) : 0
        )
    }

    /// What stands between the pairs of dots.
    private static func pieces(_ text: Substring) -> [Substring] {
        var pieces: [Substring] = []
        var start = text.startIndex
        var index = start
        while index < text.endIndex {
            let next = text.index(after: index)
            if text[index] == ".", next < text.endIndex, text[next] == "." {
                pieces.append(text[start..<index])
                start = text.index(after: next)
                index = start
            } else {
                index = next
            }
        }
        pieces.append(text[start...])
        return pieces
    }

    private static func number(_ text: Substring) -> Int? {
        guard (1...maximumDigits).contains(text.utf8.count) else { return nil }
        return text.utf8.allSatisfy { (0x30...0x39).contains($0) } ? Int(text) : nil
    }

    private static func letter(_ text: Substring) -> UInt8? {
        guard text.utf8.count == 1, let byte = text.utf8.first else { return nil }
        return (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte) ? byte : nil
    }

    private static let help = "a range is {1..9}, {001..100} or {0..100..10}, a list {a,b}, a literal brace %7B or %7D"
}
