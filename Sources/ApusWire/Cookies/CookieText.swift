/// The bytes of cookies. Not everything that servers put there is UTF-8, and what goes back has to be what came.
enum CookieText {
    // RFC 6265bis §5.6 step 1: %x00-08 / %x0A-1F / %x7F.
    static func isControl(_ byte: UInt8) -> Bool { byte < 0x20 && byte != 0x09 || byte == 0x7F }

    /// As UTF-8 where that is valid, else as ISO-8859-1, as for other fields.
    static func string(_ bytes: some Collection<UInt8>) -> String {
        if let text = String(validating: bytes, as: UTF8.self) { return text }
        var text = ""
        for byte in bytes { text.unicodeScalars.append(Unicode.Scalar(byte)) }
        return text
    }

    /// The parts around the first `=`, without space around them; no second one without `=`.
    static func pair(_ bytes: ArraySlice<UInt8>) -> (ArraySlice<UInt8>, ArraySlice<UInt8>?) {
        guard let equals = bytes.firstIndex(of: 0x3D) else { return (trimmed(bytes), nil) }
        return (trimmed(bytes[..<equals]), trimmed(bytes[(equals + 1)...]))
    }

    static func trimmed(_ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        var bytes = bytes
        while let first = bytes.first, first == 0x20 || first == 0x09 { bytes.removeFirst() }
        while let last = bytes.last, last == 0x20 || last == 0x09 { bytes.removeLast() }
        return bytes
    }

    /// Whether the name and the value can stand in a Cookie field without touching what is beside them.
    static func canStandAlone(name: String, value: some Collection<UInt8>) -> Bool {
        let isSafe: (UInt8) -> Bool = { !isControl($0) && $0 != 0x3B }
        guard name.utf8.allSatisfy({ isSafe($0) && $0 != 0x3D }), value.allSatisfy(isSafe) else { return false }
        return (!name.isEmpty || !value.isEmpty) && isTrimmed(name.utf8) && isTrimmed(value)
    }

    /// Whether they are also read there as what they are: a value without a name must not look like a pair. Servers may set such.
    static func canBeSent(name: String, value: some Collection<UInt8>) -> Bool {
        canStandAlone(name: name, value: value) && (!name.isEmpty || !value.contains(0x3D))
    }

    private static func isTrimmed(_ bytes: some Collection<UInt8>) -> Bool {
        let bytes = Array(bytes)
        return trimmed(bytes[...]).count == bytes.count
    }
}
