/// The library's messages name its own settings; people who use the command know its options.
enum SettingNames {
    private static let options = [
        ("`timeouts.connect`", "--connect-timeout"), ("`timeouts.head`", "--idle-timeout"),
        ("`timeouts.idle`", "--idle-timeout"), ("`timeouts.total`", "--timeout"),
        ("`redirects: .follow(upTo:)`", "--max-redirects"), ("`decompress: false`", "Leaving out --compressed"),
        // There is no option for it.
        (" Allow it with `.follow(allowsInsecure: true)`.", ""),
    ]

    /// The message with options in the place of settings.
    static func replaced(in message: String) -> String {
        var result = message
        // Nor one for limits of the protocol: ` (HTTP1Limits.fieldLine)`.
        if let start = message.firstRange(of: " (HTTP1Limits."),
            let end = message[start.upperBound...].firstIndex(of: ")")
        {
            result.removeSubrange(start.lowerBound...end)
        }
        guard message.utf8.contains(UInt8(ascii: "`")) else { return result }
        for (setting, option) in options {
            if let range = result.firstRange(of: setting) { result.replaceSubrange(range, with: option) }
        }
        return result
    }
}
