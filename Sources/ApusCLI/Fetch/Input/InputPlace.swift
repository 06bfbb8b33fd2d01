/// Where something stands in the input, for messages: `argument-1`, `urls.txt:17`.
///
/// Most are never shown, so the text is made only for those that are.
struct InputPlace: Sendable, Equatable, CustomStringConvertible, ExpressibleByStringInterpolation {
    private let name: String
    /// 0 where the name says it all.
    private let line: Int

    init(_ name: String, line: Int) {
        self.name = name
        self.line = line
    }

    init(stringLiteral text: String) { self.init(text, line: 0) }

    var description: String { line == 0 ? name : name + ":" + String(line) }

    static func == (left: InputPlace, right: InputPlace) -> Bool { left.description == right.description }
}
