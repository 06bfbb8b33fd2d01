/// A line of a view: pieces, of which the less important ones give way where there is little room.
struct StyledLine: Sendable, Equatable {
    enum Style: String, Sendable {
        case plain = ""
        case bold = "1"
        case dim = "2"
        case red = "31"
        case green = "32"
        case yellow = "33"
    }

    struct Piece: Sendable, Equatable {
        var text: String
        var style: Style
        /// Pieces of the highest number go first. Zero stays.
        var rank: Int
    }

    private(set) var pieces: [Piece] = []
    /// Stands between pieces.
    var separator = "  "
    /// Whether the first piece is the label of a table's row: all rows keep theirs or none does, or they would not stand in columns.
    var isRow = false

    mutating func add(_ text: String, _ style: Style = .plain, rank: Int = 0) {
        pieces.append(Piece(text: text, style: style, rank: rank))
    }

    /// Without colours.
    var text: String { pieces.map(\.text).joined(separator: separator) }

    /// As much as fits; what is cut off even so is the end.
    func fitted(to width: Int) -> StyledLine {
        var result = self
        while TerminalText.columns(of: result.text) > width, let last = result.pieces.map(\.rank).max(), last > 0 {
            // The last one of that rank.
            let index = result.pieces.lastIndex { $0.rank == last } ?? 0
            result.pieces.remove(at: index)
        }
        var room = width
        for index in result.pieces.indices {
            if index > 0 { room -= TerminalText.columns(of: separator) }
            result.pieces[index].text = TerminalText.cut(result.pieces[index].text, to: max(0, room))
            room -= TerminalText.columns(of: result.pieces[index].text)
        }
        // A separator behind which nothing fits.
        while result.pieces.count > 1, result.pieces.last?.text.isEmpty == true { result.pieces.removeLast() }
        return result
    }

    /// As much of each as fits.
    static func fitted(_ lines: [StyledLine], to width: Int) -> [StyledLine] {
        let fitted = lines.map { $0.fitted(to: width) }
        guard zip(lines, fitted).contains(where: { $0.isRow && $0.pieces.first != $1.pieces.first }) else {
            return fitted
        }
        return zip(lines, fitted).map { line, fitted in
            guard line.isRow, !line.pieces.isEmpty else { return fitted }
            var rest = line
            rest.pieces.removeFirst()
            return rest.fitted(to: width)
        }
    }

    /// All of it, in as many lines as it takes: they break between pieces, or between the words of a piece that is longer than a line. A first
    /// piece that begins with a space is a label, and the others stay to the right of it.
    func wrapped(to width: Int) -> [StyledLine] {
        guard TerminalText.columns(of: text) > width else { return [self] }
        let label = pieces.first.flatMap { $0.text.first == " " ? $0 : nil }
        var start = StyledLine()
        start.separator = separator
        if let label { start.add(String(repeating: " ", count: TerminalText.columns(of: label.text))) }
        let gap = TerminalText.columns(of: separator)
        let indent = TerminalText.columns(of: start.text) + (label == nil ? 0 : gap)
        var lines = [start]
        var used = indent
        if let label { lines[0].pieces = [label] }

        func add(_ piece: Piece) {
            let columns = TerminalText.columns(of: piece.text)
            let isFirst = used == indent
            if !isFirst, used + gap + columns > width {
                lines.append(start)
                used = indent
            }
            used += columns + (used == indent ? 0 : gap)
            lines[lines.count - 1].pieces.append(piece)
        }
        for piece in pieces.dropFirst(label == nil ? 0 : 1) {
            for text in Self.parts(of: piece.text, to: width - indent) {
                add(Piece(text: text, style: piece.style, rank: piece.rank))
            }
        }
        return lines
    }

    /// As many words as fit at a time. A word that is too long stays whole.
    private static func parts(of text: String, to width: Int) -> [String] {
        guard TerminalText.columns(of: text) > width else { return [text] }
        var parts: [String] = []
        for word in text.split(separator: " ", omittingEmptySubsequences: false) {
            if let last = parts.last, TerminalText.columns(of: last) + 1 + TerminalText.columns(of: word) <= width {
                parts[parts.count - 1] += " \(word)"
            } else {
                parts.append(String(word))
            }
        }
        return parts
    }

    /// With colours, if they are wanted. They end with each piece: whatever happens behind it, the terminal is as it was.
    func rendered(isStyled: Bool) -> String {
        guard isStyled else { return text }
        return pieces.map { piece in
            piece.style == .plain ? piece.text : "\u{1B}[\(piece.style.rawValue)m\(piece.text)\u{1B}[0m"
        }
        .joined(separator: separator)
    }
}
