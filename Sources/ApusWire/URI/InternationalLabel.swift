/// What may stand in one label of an international host name (UTS #46 §4.1, RFC 5891 §4.2, RFC 5892, RFC 5893).
enum InternationalLabel {
    typealias Label = Substring.UnicodeScalarView

    /// Checks a label that is mapped and composed, and has characters outside of ASCII.
    ///
    /// Letters, marks, decimal digits and symbols such as ☃ are taken (UTS #46 takes the latter, IDNA2008 does not);
    /// punctuation, mathematical signs, spaces, controls, private and unassigned characters are not.
    static func check(_ label: Label) throws(URIError) {
        guard let first = label.first else { return }
        // UTS #46 §4.1 criteria 2 and 3 (RFC 5891 §4.2.3.1), and 4: a mapped label is not one of these already.
        let bytes = label.prefix(4).map(\.value)
        guard first != "-", label.last != "-", !(bytes.count == 4 && bytes[2] == 0x2D && bytes[3] == 0x2D) else {
            throw URIError(
                .invalidInternationalHost,
                "a part of the host begins or ends with \"-\" or has \"--\" as its third and fourth characters"
            )
        }
        // Criterion 6 (RFC 5891 §4.2.3.2).
        switch first.properties.generalCategory {
        case .nonspacingMark, .spacingMark, .enclosingMark:
            throw InternationalHost.refused(first, "a combining mark at the start of a part")
        default: break
        }
        for index in label.indices { try checkCharacter(label, index) }
        // RFC 5892 appendix A.8 and A.9: the two kinds of Arabic digits are not mixed.
        let hasArabic = label.contains { 0x0660...0x0669 ~= $0.value }
        guard !hasArabic || !label.contains(where: { 0x06F0...0x06F9 ~= $0.value }) else {
            throw URIError(.invalidInternationalHost, "a part of the host mixes two kinds of Arabic digits")
        }
    }

    // UTS #46 §4.1 criterion 7, by general category instead of its table.
    private static func checkCharacter(_ label: Label, _ index: Label.Index) throws(URIError) {
        let scalar = label[index]
        if scalar.isASCII { return }
        switch scalar.properties.generalCategory {
        case .lowercaseLetter, .otherLetter, .modifierLetter, .nonspacingMark, .spacingMark, .decimalNumber,
            .otherSymbol, .letterNumber:
            return
        // U+13A0 and the like: letters of scripts whose folded form is the upper case.
        case .uppercaseLetter where !scalar.properties.changesWhenNFKCCaseFolded: return
        default: break
        }
        switch scalar.value {
        case 0xB7:
            // RFC 5892 appendix A.3: MIDDLE DOT only between two l, as in Catalan.
            let next = label.index(after: index)
            guard index > label.startIndex, label[label.index(before: index)] == "l",
                next < label.endIndex, label[next] == "l"
            else { throw InternationalHost.refused(scalar, "which stands only between two \"l\"") }
        case 0x30FB:
            // Appendix A.7: KATAKANA MIDDLE DOT only beside Hiragana, Katakana or Han.
            guard label.contains(where: { isJapanese($0.value) }) else {
                throw InternationalHost.refused(scalar, "which stands only in Japanese names")
            }
        default: throw InternationalHost.refused(scalar, "which is no letter, digit or symbol of a name")
        }
    }

    private static func isJapanese(_ value: UInt32) -> Bool {
        switch value {
        case 0x3041...0x3096, 0x309D...0x309F, 0x30A1...0x30FA, 0x30FD...0x30FF, 0x3400...0x4DBF, 0x4E00...0x9FFF,
            0x20000...0x323AF:
            true
        default: false
        }
    }

    /// Whether it has a letter that is written from right to left.
    static func isRightToLeft(_ label: Label) -> Bool { label.contains { isRightToLeft($0) } }

    // RFC 5893 §2 speaks of bidirectional classes, which the standard library does not know. These are the blocks whose
    // characters are R or AL by default (Unicode, DerivedBidiClass); their digits and marks are told by category.
    private static func isRightToLeft(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x0590...0x08FF, 0xFB1D...0xFDFF, 0xFE70...0xFEFF, 0x10800...0x10FFF, 0x1E800...0x1EFFF:
            !isMark(scalar) && scalar.properties.generalCategory != .decimalNumber
        default: false
        }
    }

    private static func isMark(_ scalar: Unicode.Scalar) -> Bool {
        scalar.properties.generalCategory == .nonspacingMark
    }

    /// The rule of RFC 5893 §2 for a label of a name that is written from right to left somewhere, in a form that refuses
    /// more: a label is of one direction altogether.
    static func checkDirection(_ label: Label) throws(URIError) {
        guard let first = label.first, let last = label.last(where: { !isMark($0) }) else { return }
        let isDigit: (Unicode.Scalar) -> Bool = { $0.properties.generalCategory == .decimalNumber }
        let isAllowed: Bool
        if isRightToLeft(label) {
            // Rules 1 to 4: begins with a letter, has no letters of the other direction, ends with a letter or digit, and
            // does not mix European with Arabic digits.
            let hasArabic = label.contains { 0x0660...0x0669 ~= $0.value }
            let hasEuropean = label.contains { 0x30...0x39 ~= $0.value || 0x06F0...0x06F9 ~= $0.value }
            isAllowed =
                isRightToLeft(first) && (isRightToLeft(last) || isDigit(last)) && !(hasArabic && hasEuropean)
                && label.allSatisfy { isRightToLeft($0) || isDigit($0) || isMark($0) || $0 == "-" }
        } else {
            // Rules 1, 5 and 6.
            isAllowed = !isDigit(first) && first != "-" && last != "-"
        }
        guard isAllowed else {
            throw URIError(
                .invalidInternationalHost,
                "the host mixes directions of writing in a way that could be shown as another name (RFC 5893)"
            )
        }
    }
}
