/// The value of Content-Disposition (RFC 6266; in forms RFC 7578 §4.2): what to do with a body, and what it is called.
public struct ContentDisposition: Sendable, Hashable {
    /// Such as `attachment`, `inline` or `form-data`, in lower case.
    public let type: String
    /// The name of a form's field; nil if there is none.
    public let name: String?
    /// The file name as the peer gave it: for showing. Nil if there is none.
    ///
    /// It may contain `/`, `..` and anything else: for a file use ``safeFilename``.
    public let filename: String?

    /// Parses the value of a Content-Disposition field; nil if it does not begin with a type.
    public init?(_ text: String) {
        var scanner = HeaderScanner(text)
        scanner.skipSpace()
        guard let type = scanner.takeToken() else { return nil }
        scanner.skipSpace()
        guard scanner.isAtEnd || scanner.current == 0x3B else { return nil }
        self.type = HeaderScanner.lowercased(type)
        let parameters = scanner.takeParameters(endsAtComma: false)
        name = Self.value("name", parameters)
        filename = Self.value("filename", parameters)
    }

    // RFC 6266 §4.3: filename* is preferred to filename, in whichever order; one that cannot be read is ignored. Behind
    // both, mail's way to write long names (RFC 2231 §3): filename*0, filename*1* …
    private static func value(_ name: String, _ parameters: [(name: String, value: String)]) -> String? {
        if let extended = parameters.first(where: { $0.name == "\(name)*" }),
            let text = ExtendedValue.decode(extended.value)
        {
            return text
        }
        return parameters.first { $0.name == name }?.value ?? continued(name, parameters)
    }

    private static func continued(_ name: String, _ parameters: [(name: String, value: String)]) -> String? {
        var pieces: [String: String] = [:]
        for parameter in parameters where parameter.name.hasPrefix("\(name)*") {
            if pieces[parameter.name] == nil { pieces[parameter.name] = parameter.value }
        }
        var bytes: [UInt8] = []
        var charset = "utf-8"
        var number = 0
        while true {
            if let plain = pieces["\(name)*\(number)"] {
                bytes += plain.utf8
            } else if let encoded = pieces["\(name)*\(number)*"] {
                var text = ArraySlice(encoded.utf8)
                // Only the first piece names the character set.
                if number == 0 {
                    let parts = text.split(separator: 0x27, maxSplits: 2, omittingEmptySubsequences: false)
                    guard parts.count == 3 else { return nil }
                    charset = String(decoding: parts[0], as: UTF8.self)
                    text = parts[2]
                }
                guard let octets = ExtendedValue.octets(text) else { return nil }
                bytes += octets
            } else {
                break
            }
            number += 1
        }
        guard number > 0 else { return nil }
        switch HeaderScanner.lowercased(charset) {
        case "utf-8", "us-ascii": return String(validating: bytes, as: UTF8.self)
        case "iso-8859-1": return String(String.UnicodeScalarView(bytes.map { Unicode.Scalar($0) }))
        default: return nil
        }
    }

    /// The file name, fit for a file in a folder of one's choice; nil if nothing is left of it.
    ///
    /// See ``safeFilename(_:)`` for what is done.
    public var safeFilename: String? { filename.flatMap(Self.safeFilename) }

    // RFC 6266 §4.3: only the last path segment counts; names that mean something to the system are changed.
    /// A name for a file, from a text that somebody else chose; nil if nothing is left of it.
    ///
    /// Only what follows the last `/` or `\` is taken; control characters and invisible ones, which can make a name look like
    /// another, go; `:*?"<>|` become `_`; dots and spaces at both ends go, so it is neither hidden nor `..`; names of devices
    /// on other systems, such as `NUL`, get a `_` in front; and it has at most 255 bytes, its extension kept.
    public static func safeFilename(_ text: String) -> String? {
        var last = Substring(text).unicodeScalars
        if let separator = last.lastIndex(where: { $0 == "/" || $0 == "\\" }) {
            last = last[last.index(after: separator)...]
        }
        var name = String.UnicodeScalarView()
        for scalar in last {
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .surrogate, .unassigned: continue
            default: break
            }
            name.append("\":*?<>|".unicodeScalars.contains(scalar) ? "_" : scalar)
        }
        let isDropped: (Unicode.Scalar) -> Bool = { $0 == "." || $0.properties.isWhitespace }
        var trimmed = Substring(String(name)).unicodeScalars
        while let first = trimmed.first, isDropped(first) { trimmed = trimmed.dropFirst() }
        while let end = trimmed.last, isDropped(end) { trimmed = trimmed.dropLast() }
        guard !trimmed.isEmpty else { return nil }
        let result = String(trimmed)
        let stem = HeaderScanner.lowercased(String(result.prefix { $0 != "." }))
        let isDevice =
            ["con", "prn", "aux", "nul"].contains(stem)
            || stem.utf8.count == 4 && (stem.hasPrefix("com") || stem.hasPrefix("lpt")) && stem.last?.isNumber == true
        return shortened(isDevice ? "_" + result : result, to: 255)
    }

    /// The text in at most so many bytes, cut between characters, with what follows its last dot if that is short.
    private static func shortened(_ text: String, to limit: Int) -> String {
        guard text.utf8.count > limit else { return text }
        var tail = ""
        if let dot = text.lastIndex(of: "."), text[dot...].utf8.count <= 16 { tail = String(text[dot...]) }
        var head = String.UnicodeScalarView()
        var size = tail.utf8.count
        for scalar in text.unicodeScalars {
            size += UTF8.width(scalar)
            if size > limit { break }
            head.append(scalar)
        }
        return String(head) + tail
    }
}
