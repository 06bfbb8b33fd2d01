import Glibc

/// Prints for people: at most 100 columns, and colours only where they are wanted.
struct Screen: Sendable {
    static let width = 100
    /// The column in which figures begin.
    private static let figureColumn = 48

    private let isStyled: Bool

    /// Colours need a terminal, and `NO_COLOR` unset (https://no-color.org).
    init() {
        let refused = getenv("NO_COLOR").map { $0.pointee != 0 } ?? false
        let isDumb = getenv("TERM").map { String(cString: $0) == "dumb" } ?? true
        isStyled = isatty(STDOUT_FILENO) == 1 && !refused && !isDumb
    }

    init(isStyled: Bool) { self.isStyled = isStyled }

    func heading(_ number: Int, _ title: String) {
        Self.put("")
        Self.put(styled("\(number). \(title)", "1"))
    }

    /// Explains, wrapped at words.
    func text(_ text: String, indentation: Int = 0) {
        for line in Self.wrapped(text, width: Self.width - indentation) {
            Self.put(String(repeating: " ", count: indentation) + line)
        }
    }

    func explain(_ text: String) { self.text(text, indentation: 3) }

    /// Source text.
    func code(_ source: String) {
        for line in source.split(separator: "\n", omittingEmptySubsequences: false) {
            Self.put("     " + styled(String(line), "36"))
        }
    }

    /// What was measured, with what to think of it.
    func figure(_ label: String, _ value: String, _ remark: String = "") {
        let start = "     " + Format.left(label, Self.figureColumn - 5)
        Self.put(start + styled(Format.right(value, 8), "1") + (remark.isEmpty ? "" : "   " + remark))
    }

    /// What a program or the compiler says.
    func quote(_ text: String) {
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            for part in Self.wrapped(String(line), width: Self.width - 7) {
                Self.put("     " + styled("| ", "2") + part)
            }
        }
    }

    /// At once, also into a pipe: somebody may be watching.
    private static func put(_ line: String) {
        do {
            try Output.writeAll(Array((line + "\n").utf8), to: STDOUT_FILENO)
        } catch {
            if (error as? OutputError)?.isClosed == true { ExitStatus.dieOfBrokenPipe() }
            StandardError.complain("\(error)")
            exit(ExitStatus.failure)
        }
    }

    private func styled(_ text: String, _ style: String) -> String {
        isStyled ? "\u{1B}[\(style)m\(text)\u{1B}[0m" : text
    }

    /// Breaks at spaces; words that are longer than a line stay whole, and so does the indentation of the first line.
    static func wrapped(_ text: String, width: Int) -> [String] {
        guard text.count > width else { return [text] }
        var lines: [String] = []
        var line = String(text.prefix { $0 == " " })
        var isEmpty = true
        for word in text.split(separator: " ") {
            if !isEmpty, line.count + 1 + word.count > width {
                lines.append(line)
                line = ""
                isEmpty = true
            }
            if !isEmpty { line += " " }
            line += word
            isEmpty = false
        }
        lines.append(line)
        return lines
    }
}
