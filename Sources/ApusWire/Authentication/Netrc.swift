/// The credentials in a `.netrc` file, as ftp(1), curl and Python read it.
package struct Netrc: Sendable, CustomStringConvertible, CustomReflectable {
    /// What the file has for a machine.
    package struct Entry: Sendable, Hashable {
        /// In lower case; nil for `default`.
        package var machine: String?
        package var login: String?
        package var password: String?
    }

    package private(set) var entries: [Entry] = []

    /// The largest file that is read, in bytes: whatever is larger was not meant.
    package static let sizeLimit = 1024 * 1024

    /// - Throws: ``AuthenticationError`` `.malformedNetrc`, which names the line and nothing of what stands in it.
    package init(_ bytes: [UInt8]) throws(AuthenticationError) {
        var reader = Reader(bytes: bytes)
        while let (word, isQuoted) = try reader.next(atKeyword: true) {
            if isQuoted { throw reader.problem("a quoted text stands where a keyword should") }
            switch word {
            case "machine":
                entries.append(Entry(machine: Self.host(try reader.value(of: word))))
            case "default": entries.append(Entry())
            case "macdef":
                // A macro of ftp(1): it ends with an empty line.
                _ = try reader.value(of: word)
                reader.skipMacro()
            case "login", "user": try set(\.login, word, &reader)
            case "password": try set(\.password, word, &reader)
            case "account": _ = try reader.value(of: word)
            default:
                // Not named: behind a password with a space it would be the rest of it.
                throw reader.problem(
                    "there is a word that is none of machine, default, login, password, account and macdef; a value with spaces has to be in quotes"
                )
            }
        }
    }

    private mutating func set(
        _ path: WritableKeyPath<Entry, String?>,
        _ word: String,
        _ reader: inout Reader
    ) throws(AuthenticationError) {
        guard !entries.isEmpty else { throw reader.problem("“\(word)” stands before the first machine") }
        let value = try reader.value(of: word)
        entries[entries.count - 1][keyPath: path] = value
    }

    private static func host(_ text: String) -> String {
        let name = HeaderScanner.lowercased(text)
        return name.hasPrefix("[") && name.hasSuffix("]") ? String(name.dropFirst().dropLast()) : name
    }

    /// The first entry of the host that has this login, or the default one.
    ///
    /// - Parameters:
    ///   - host: in lower case, an IPv6 address without brackets.
    ///   - login: nil for any.
    package func entry(for host: String, login: String? = nil) -> Entry? {
        func fits(_ entry: Entry) -> Bool { login == nil || entry.login == login }
        return entries.first { $0.machine == host && fits($0) } ?? entries.first { $0.machine == nil && fits($0) }
    }

    package var description: String { "Netrc(\(entries.count) entries)" }
    package var customMirror: Mirror { Mirror(self, children: ["entries": entries.count]) }

    /// Words, with the number of their line.
    private struct Reader {
        let bytes: [UInt8]
        var index = 0
        var line = 1

        func problem(_ what: String) -> AuthenticationError {
            AuthenticationError(.malformedNetrc, "line \(line): \(what)")
        }

        private mutating func advance() {
            if bytes[index] == 0x0A { line += 1 }
            index += 1
        }

        private func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }

        /// - Parameter atKeyword: whether `#` begins a comment; a password may begin with it.
        mutating func next(atKeyword: Bool) throws(AuthenticationError) -> (word: String, isQuoted: Bool)? {
            while index < bytes.count {
                if isSpace(bytes[index]) {
                    advance()
                } else if atKeyword, bytes[index] == 0x23 {
                    while index < bytes.count, bytes[index] != 0x0A { index += 1 }
                } else {
                    return try bytes[index] == 0x22 ? (quoted(), true) : (plain(), false)
                }
            }
            return nil
        }

        private mutating func plain() -> String {
            let start = index
            while index < bytes.count, !isSpace(bytes[index]) { index += 1 }
            return String(decoding: bytes[start..<index], as: UTF8.self)
        }

        // As curl: a backslash stands for what follows it, and \n, \r and \t for these.
        private mutating func quoted() throws(AuthenticationError) -> String {
            var text: [UInt8] = []
            index += 1
            while index < bytes.count, bytes[index] != 0x0A {
                var byte = bytes[index]
                index += 1
                if byte == 0x22 { return String(decoding: text, as: UTF8.self) }
                if byte == 0x5C, index < bytes.count {
                    byte = bytes[index]
                    index += 1
                    switch byte {
                    case 0x6E: byte = 0x0A
                    case 0x72: byte = 0x0D
                    case 0x74: byte = 0x09
                    default: break
                    }
                }
                text.append(byte)
            }
            throw problem("a quoted value does not end")
        }

        mutating func value(of keyword: String) throws(AuthenticationError) -> String {
            let line = line
            guard let (word, _) = try next(atKeyword: false) else {
                throw AuthenticationError(.malformedNetrc, "line \(line): “\(keyword)” has no value")
            }
            return word
        }

        /// The rest of the line, and all lines up to an empty one.
        mutating func skipMacro() {
            skipLine()
            while index < bytes.count {
                let start = index
                skipLine()
                if bytes[start..<index].allSatisfy({ $0 == 0x0A || $0 == 0x0D }) { return }
            }
        }

        private mutating func skipLine() {
            while index < bytes.count {
                let byte = bytes[index]
                advance()
                if byte == 0x0A { return }
            }
        }
    }
}
