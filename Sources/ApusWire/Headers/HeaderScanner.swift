/// Reads a field value from left to right: the tokens, strings and lists of RFC 9110 §5.6. Each byte is passed once.
struct HeaderScanner {
    let bytes: [UInt8]
    private(set) var index = 0

    init(_ text: String) { bytes = Array(text.utf8) }

    var isAtEnd: Bool { index >= bytes.count }
    var current: UInt8? { index < bytes.count ? bytes[index] : nil }

    // RFC 9110 §5.6.3: OWS = *( SP / HTAB ).
    mutating func skipSpace() {
        while index < bytes.count, bytes[index] == 0x20 || bytes[index] == 0x09 { index += 1 }
    }

    /// Passes this byte if it comes next.
    mutating func take(_ byte: UInt8) -> Bool {
        guard index < bytes.count, bytes[index] == byte else { return false }
        index += 1
        return true
    }

    /// Everything up to one of these bytes, or the end.
    mutating func takeUntil(_ isStop: (UInt8) -> Bool) -> ArraySlice<UInt8> {
        let start = index
        while index < bytes.count, !isStop(bytes[index]) { index += 1 }
        return bytes[start..<index]
    }

    // RFC 9110 §5.6.2: token = 1*tchar.
    /// The token that comes next; nil if none does.
    mutating func takeToken() -> String? {
        let token = takeUntil { !HTTP1Grammar.isToken($0) }
        return token.isEmpty ? nil : String(decoding: token, as: UTF8.self)
    }

    // RFC 9110 §5.6.4: quoted-string = DQUOTE *( qdtext / quoted-pair ) DQUOTE; a backslash stands for what follows it.
    /// The content of the quoted string whose quotation mark comes next. One without an end ends with the value.
    ///
    /// - Returns: the text, and whether its end was there.
    mutating func takeQuoted() -> (text: String, isComplete: Bool) {
        guard take(0x22) else { return ("", false) }
        var text: [UInt8] = []
        while index < bytes.count {
            let byte = bytes[index]
            index += 1
            if byte == 0x22 { return (String(decoding: text, as: UTF8.self), true) }
            if byte == 0x5C, index < bytes.count {
                text.append(bytes[index])
                index += 1
            } else {
                text.append(byte)
            }
        }
        return (String(decoding: text, as: UTF8.self), false)
    }

    /// Passes what is left of an element of a list or parameter, up to a stop that is not within quotes.
    mutating func skipTo(_ isStop: (UInt8) -> Bool) {
        while let byte = current, !isStop(byte) {
            if byte == 0x22 { _ = takeQuoted() } else { index += 1 }
        }
    }

    // RFC 9110 §5.6.6: parameters = *( OWS ";" OWS [ parameter ] ); parameter = name "=" ( token / quoted-string ).
    /// The parameters that come next, names in lower case, up to `,` if that ends them. What is no parameter is passed over.
    ///
    /// Values that are neither tokens nor quoted are taken up to the next `;`, as browsers do, since `filename=a b.txt` and
    /// `charset=utf-8:x` occur. With `bareNames` a name alone is a parameter with an empty value (RFC 8288 §3).
    mutating func takeParameters(endsAtComma: Bool, bareNames: Bool = false) -> [(name: String, value: String)] {
        let isEnd: (UInt8) -> Bool = { $0 == 0x3B || endsAtComma && $0 == 0x2C }
        var found: [(name: String, value: String)] = []
        while true {
            skipSpace()
            guard take(0x3B) else {
                if isAtEnd || endsAtComma && current == 0x2C { return found }
                skipTo(isEnd)
                continue
            }
            skipSpace()
            guard let name = takeToken() else { continue }
            skipSpace()
            guard take(0x3D) else {
                if bareNames, isAtEnd || current.map(isEnd) == true { found.append((Self.lowercased(name), "")) }
                continue
            }
            skipSpace()
            if current == 0x22 {
                let (text, isComplete) = takeQuoted()
                // What is cut off may be anything; what follows a closed quote up to ";" is ignored.
                if isComplete { found.append((Self.lowercased(name), text)) }
            } else {
                var value = takeUntil(isEnd)
                while let last = value.last, last == 0x20 || last == 0x09 { value = value.dropLast() }
                if !value.isEmpty {
                    found.append((Self.lowercased(name), String(decoding: value, as: UTF8.self)))
                }
            }
        }
    }

    /// Lower case for ASCII letters only: field values are compared so (RFC 9110 §5.6.2), whatever the letters' locale.
    static func lowercased(_ text: String) -> String {
        guard text.utf8.contains(where: { $0 &- 0x41 < 26 }) else { return text }
        return String(decoding: text.utf8.map { $0 &- 0x41 < 26 ? $0 | 0x20 : $0 }, as: UTF8.self)
    }

    /// A value as a parameter: a token as it is, anything else in quotes (RFC 9110 §5.6.4).
    static func quotedIfNeeded(_ value: String) -> String {
        if !value.isEmpty, value.utf8.allSatisfy(HTTP1Grammar.isToken) { return value }
        var output: [UInt8] = [0x22]
        for byte in value.utf8 {
            // No field may hold other control characters; they become spaces rather than an error far from here.
            if byte < 0x20 && byte != 0x09 || byte == 0x7F {
                output.append(0x20)
                continue
            }
            if byte == 0x22 || byte == 0x5C { output.append(0x5C) }
            output.append(byte)
        }
        output.append(0x22)
        return String(decoding: output, as: UTF8.self)
    }

    // RFC 9110 §5.6.1: lists are elements with commas between them, and empty elements are ignored.
    /// The elements of a list of tokens, in lower case; several field lines are one list. What is no token is passed over.
    static func tokens(_ values: [String]) -> [String] {
        var found: [String] = []
        for value in values {
            var scanner = HeaderScanner(value)
            while !scanner.isAtEnd {
                scanner.skipSpace()
                if let token = scanner.takeToken() { found.append(lowercased(token)) }
                scanner.skipTo { $0 == 0x2C }
                _ = scanner.take(0x2C)
            }
        }
        return found
    }
}
