import Synchronization

/// As much of a terminal as the live view asks for: what stands on the screen after what was written.
struct ScreenEmulator {
    let columns: Int
    let rows: Int
    private(set) var lines: [String] = [""]
    /// What a real one has scrolled out of sight, which no cursor reaches any more.
    private var top: Int { max(0, lines.count - rows) }
    private var row = 0
    private var column = 0
    /// Sequences that are not known here.
    private(set) var unknown: [String] = []

    init(columns: Int = 80, rows: Int = 24) {
        self.columns = columns
        self.rows = rows
    }

    /// The lines, without empty ones at the end.
    var shown: [String] {
        var result = lines.map { line in String(line.reversed().drop { $0 == " " }.reversed()) }
        while result.last == "" { result.removeLast() }
        return result
    }

    mutating func write(_ text: String) {
        var scalars = text.unicodeScalars[...]
        while let scalar = scalars.popFirst() {
            switch scalar {
            case "\r": column = 0
            case "\n":
                row += 1
                column = 0
                if row == lines.count { lines.append("") }
            case "\u{1B}": command(&scalars)
            default: put(Character(scalar))
            }
        }
    }

    private mutating func command(_ scalars: inout Substring.UnicodeScalarView) {
        guard scalars.popFirst() == "[" else { return unknown.append("ESC") }
        var parameter = ""
        while let scalar = scalars.popFirst() {
            guard scalar.properties.isAlphabetic else {
                parameter.unicodeScalars.append(scalar)
                continue
            }
            switch scalar {
            case "A": row = max(top, row - (Int(parameter) ?? 1))
            case "K": lines[row] = String(lines[row].prefix(column))
            case "J":
                lines[row] = String(lines[row].prefix(column))
                lines.removeSubrange((row + 1)...)
            case "m": break
            default: unknown.append("\(parameter)\(scalar)")
            }
            return
        }
    }

    private mutating func put(_ character: Character) {
        if column == columns {
            row += 1
            column = 0
            if row == lines.count { lines.append("") }
        }
        var line = Array(lines[row])
        while line.count <= column { line.append(" ") }
        line[column] = character
        lines[row] = String(line)
        column += 1
    }
}

/// What was written, and where to.
final class WriteLog: Sendable {
    private let writes = Mutex<[(text: String, descriptor: Int32)]>([])

    var all: [(text: String, descriptor: Int32)] { writes.withLock { $0 } }

    /// What is on a screen of so many columns to which one of these descriptors leads.
    func screen(of descriptors: Set<Int32>, columns: Int = 80, rows: Int = 24) -> ScreenEmulator {
        var screen = ScreenEmulator(columns: columns, rows: rows)
        for write in all where descriptors.contains(write.descriptor) { screen.write(write.text) }
        return screen
    }

    @Sendable func write(_ bytes: [UInt8], _ descriptor: Int32) {
        let text = String(decoding: bytes, as: UTF8.self)
        writes.withLock { $0.append((text, descriptor)) }
    }
}
