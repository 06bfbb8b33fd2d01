/// HTML, written so that no text can become a part of it.
struct HTML: Sendable, Equatable {
    private(set) var source: String

    /// Text that is ours, and HTML already: only literals.
    init(_ literal: StaticString) { source = literal.description }

    private init(source: String) { self.source = source }

    static let empty = HTML("")

    /// Text of whatever origin: escaped, and without characters that turn it around or cannot be seen.
    static func text(_ text: String) -> HTML { HTML(source: escaped(Format.harmless(text))) }

    /// An element.
    ///
    /// - Parameters:
    ///   - name: and the names of the attributes: literals.
    ///   - attributes: their values may be any text.
    static func element(
        _ name: StaticString,
        _ attributes: KeyValuePairs<StaticString, String> = [:],
        _ content: HTML...
    ) -> HTML {
        var source = "<\(name)"
        for (key, value) in attributes { source += " \(key)=\"\(escaped(Format.harmless(value)))\"" }
        source += ">"
        for part in content { source += part.source }
        return HTML(source: source + "</\(name)>")
    }

    /// Several, one after the other.
    static func all(_ parts: some Sequence<HTML>) -> HTML {
        HTML(source: parts.reduce(into: "") { $0 += $1.source })
    }

    static func + (left: HTML, right: HTML) -> HTML { HTML(source: left.source + right.source) }

    private static func escaped(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            case "'": result += "&#39;"
            case "`": result += "&#96;"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}
