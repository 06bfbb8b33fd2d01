/// A character encoding that needs no table of the system (WHATWG Encoding).
package enum TextEncoding: Sendable, Hashable {
    case utf8, utf16LittleEndian, utf16BigEndian
    /// What `iso-8859-1` and `us-ascii` mean on the web: ISO-8859-1 with printable characters at 0x80 to 0x9F.
    case windows1252
    /// ISO-8859-1 with the euro sign and seven other letters.
    case latin9

    /// What a label stands for.
    package enum Lookup: Sendable, Hashable {
        case builtIn(TextEncoding)
        /// One that the C library may know, under this name, which has letters, digits and `-_.:` only.
        case needs(String)
        /// No label of an encoding.
        case unknown
    }

    /// The longest label.
    static let maximumLabel = 40

    // WHATWG Encoding §4.2: spaces around a label are removed, and case does not matter.
    /// The encoding that a label names, such as the `charset` of a Content-Type.
    package static func named(_ label: String) -> Lookup {
        var bytes = ArraySlice(label.utf8)
        while let first = bytes.first, first == 0x20 || 0x09...0x0D ~= first && first != 0x0B {
            bytes = bytes.dropFirst()
        }
        while let last = bytes.last, last == 0x20 || 0x09...0x0D ~= last && last != 0x0B { bytes = bytes.dropLast() }
        guard !bytes.isEmpty, bytes.count <= maximumLabel else { return .unknown }
        let name = HeaderScanner.lowercased(String(decoding: bytes, as: UTF8.self))
        if let builtIn = builtIn(name) { return .builtIn(builtIn) }
        if let other = otherName(name) { return .needs(other) }
        // A slash would ask glibc's iconv_open for transliteration, or for a file.
        let isName = name.utf8.allSatisfy {
            0x61...0x7A ~= $0 || 0x30...0x3A ~= $0 || $0 == 0x2D || $0 == 0x2E || $0 == 0x5F
        }
        return isName ? .needs(name) : .unknown
    }

    // The labels of WHATWG Encoding §4.2.
    private static func builtIn(_ name: String) -> TextEncoding? {
        switch name {
        case "utf-8", "utf8", "unicode-1-1-utf-8", "unicode11utf8", "unicode20utf8", "x-unicode20utf8": .utf8
        case "utf-16", "utf-16le", "unicode", "ucs-2", "csunicode", "iso-10646-ucs-2", "unicodefeff": .utf16LittleEndian
        case "utf-16be", "unicodefffe": .utf16BigEndian
        case "windows-1252", "cp1252", "x-cp1252", "iso-8859-1", "iso8859-1", "iso88591", "iso_8859-1",
            "iso_8859-1:1987", "iso-ir-100", "latin1", "l1", "csisolatin1", "cp819", "ibm819", "us-ascii", "ascii",
            "ansi_x3.4-1968":
            .windows1252
        case "iso-8859-15", "iso8859-15", "iso885915", "iso_8859-15", "csisolatin9", "l9": .latin9
        default: nil
        }
    }

    // Where a label means another encoding on the web than its name says, and the name of that for iconv(3).
    private static func otherName(_ name: String) -> String? {
        switch name {
        case "shift_jis", "shift-jis", "sjis", "x-sjis", "ms_kanji", "csshiftjis", "windows-31j", "ms932": "cp932"
        case "gb2312", "gb_2312", "gb_2312-80", "gbk", "x-gbk", "chinese", "csgb2312", "iso-ir-58", "csiso58gb231280":
            "gb18030"
        case "euc-kr", "ks_c_5601-1987", "ks_c_5601-1989", "ksc5601", "ksc_5601", "korean", "windows-949", "cseuckr",
            "iso-ir-149", "csksc56011987":
            "cp949"
        case "big5", "big5-hkscs", "cn-big5", "x-x-big5", "csbig5": "big5-hkscs"
        case "iso-8859-9", "iso8859-9", "iso88599", "iso_8859-9", "iso_8859-9:1989", "latin5", "l5", "csisolatin5",
            "iso-ir-148", "x-cp1254":
            "windows-1254"
        case "iso-8859-11", "iso8859-11", "iso885911", "tis-620", "dos-874": "cp874"
        default: nil
        }
    }

    /// How the names of real encodings begin, in lower case: those of WHATWG Encoding §4.2 that need a table, and their like.
    private static let families = [
        "iso-", "iso8", "iso_8", "csiso", "windows-", "cp", "x-cp", "ibm", "csibm", "dos-", "koi8", "cskoi8",
        "mac", "x-mac-", "euc-", "x-euc-", "cseuc", "gb", "x-gb", "big5", "x-x-big5", "hz-gb", "shift", "x-sjis",
        "tis-", "ks_c_", "latin", "utf-", "ucs-",
    ]

    /// Whether a name from ``named(_:)`` is like those of encodings that exist. What is not (`none`, `utf8mb4`) is a server's mistake.
    package static func isOfKnownFamily(_ name: String) -> Bool { families.contains { name.hasPrefix($0) } }

    // WHATWG Encoding §6.1: BOM sniff. A byte order mark says more than any label.
    /// The encoding that a byte order mark at the beginning tells, and the mark's length.
    package static func byteOrderMark(_ bytes: some Collection<UInt8>) -> (encoding: TextEncoding, length: Int)? {
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { return (.utf8, 3) }
        if bytes.starts(with: [0xFE, 0xFF]) { return (.utf16BigEndian, 2) }
        if bytes.starts(with: [0xFF, 0xFE]) { return (.utf16LittleEndian, 2) }
        return nil
    }

    // WHATWG index-windows-1252; the five bytes without a character stand for the control with their number.
    static let windows1252High: [UInt16] = [
        0x20AC, 0x81, 0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160, 0x2039, 0x0152, 0x8D,
        0x017D,
        0x8F, 0x90, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153,
        0x9D,
        0x017E, 0x0178,
    ]

    /// The character of a byte of the two encodings with one byte each.
    func scalar(of byte: UInt8) -> Unicode.Scalar {
        var value = UInt16(byte)
        if self == .windows1252 {
            if 0x80...0x9F ~= byte { value = Self.windows1252High[Int(byte - 0x80)] }
        } else {
            // WHATWG index-iso-8859-15.
            switch byte {
            case 0xA4: value = 0x20AC
            case 0xA6: value = 0x0160
            case 0xA8: value = 0x0161
            case 0xB4: value = 0x017D
            case 0xB8: value = 0x017E
            case 0xBC: value = 0x0152
            case 0xBD: value = 0x0153
            case 0xBE: value = 0x0178
            default: break
            }
        }
        return Unicode.Scalar(value) ?? "\u{FFFD}"
    }
}
