/// The library's messages name its own settings; people who use the command know its options.
enum SettingNames {
    private static let options = [
        ("`timeouts.connect`", "--connect-timeout"), ("`timeouts.head`", "--idle-timeout"),
        ("`timeouts.idle`", "--idle-timeout"), ("`timeouts.total`", "--timeout"),
        ("`redirects: .follow(upTo:)`", "--max-redirects"),
    ]

    /// The message with options in the place of settings.
    static func replaced(in message: String) -> String {
        guard message.utf8.contains(UInt8(ascii: "`")) else { return message }
        var result = message
        for (setting, option) in options {
            if let range = result.firstRange(of: setting) { result.replaceSubrange(range, with: option) }
        }
        return result
    }
}
