import Apus
import Synchronization

/// What the report of a killed run says is done, when the run had not got to note it in the state: because it was killed just then, or
/// because the state file could not be written.
///
/// A number alone would not do: behind the mark there may be lines of another run that went on with the same report.
final class ReportedItems: Sendable {
    private let known = Mutex<Set<UInt64>>([])
    private let count = Atomic<Int>(0)

    init(_ report: ReportFile, after mark: ReportMark) {
        var items: Set<UInt64> = []
        report.readLines(after: mark) { if let item = Self.item(of: $0) { items.insert(item) } }
        count.store(items.count, ordering: .relaxed)
        known.withLock { $0 = items }
    }

    var isEmpty: Bool { count.load(ordering: .acquiring) == 0 }

    func contains(_ item: FetchItem) -> Bool {
        let hash = Self.hash(item)
        return known.withLock { $0.contains(hash) }
    }

    func remove(_ item: FetchItem) {
        let hash = Self.hash(item)
        let left = known.withLock { known in
            known.remove(hash)
            return known.count
        }
        count.store(left, ordering: .releasing)
    }

    /// The input is at its end: what is left is no item's.
    func removeAll() {
        known.withLock { $0 = [] }
        count.store(0, ordering: .releasing)
    }

    // MARK: - Lines

    private static func hash(_ item: FetchItem) -> UInt64 {
        var text: [UInt8] = []
        JSONText.append((item.uri.hasUserinfo ? item.uri.withoutUserinfo : item.uri).description, to: &text)
        return hash(item.number, text.dropFirst().dropLast())
    }

    private static func hash(_ number: Int, _ url: ArraySlice<UInt8>) -> UInt64 {
        var hash = StableHash("\(number) ")
        hash.combine(url)
        return hash.value
    }

    /// Of a line as ``ReportLine`` writes it; nil if its item is not done.
    private static func item(of line: ArraySlice<UInt8>) -> UInt64? {
        var rest = line
        guard skip("{\"n\":", &rest), let number = number(&rest), skip(",\"place\":\"", &rest), string(&rest) != nil
        else { return nil }
        let fetched = FetchResult.Outcome.fetched.rawValue, unchanged = FetchResult.Outcome.unchanged.rawValue
        guard skip(",\"outcome\":\"\(fetched)\"", &rest) || skip(",\"outcome\":\"\(unchanged)\"", &rest),
            skip(",\"url\":\"", &rest), let url = string(&rest)
        else { return nil }
        return hash(number, url)
    }

    private static func skip(_ text: String, _ rest: inout ArraySlice<UInt8>) -> Bool {
        guard rest.starts(with: text.utf8) else { return false }
        rest.removeFirst(text.utf8.count)
        return true
    }

    private static func number(_ rest: inout ArraySlice<UInt8>) -> Int? {
        let digits = rest.prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        rest.removeFirst(digits.count)
        return Int(String(decoding: digits, as: UTF8.self))
    }

    /// As it is escaped, up to its end.
    private static func string(_ rest: inout ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
        var isEscaped = false
        for index in rest.indices {
            if isEscaped {
                isEscaped = false
            } else if rest[index] == UInt8(ascii: "\"") {
                defer { rest = rest[(index + 1)...] }
                return rest[..<index]
            } else {
                isEscaped = rest[index] == UInt8(ascii: "\\")
            }
        }
        return nil
    }
}
