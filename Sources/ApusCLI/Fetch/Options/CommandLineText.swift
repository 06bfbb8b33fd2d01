/// The command line once more, for people who copy it.
enum CommandLineText {
    /// The command that goes on with a run. One that holds a secret is not shown again.
    static func resuming(_ command: FetchCommand, arguments: [String] = CommandLine.arguments) -> String {
        let sending = command.sending
        let hasSecrets =
            sending.user != nil || !sending.header.isEmpty || sending.data != nil
            || sending.proxy?.contains("@") == true
            || command.urls.contains { $0.contains("@") || $0.contains("?") }
        var words = hasSecrets ? ["apus", "fetch", "…"] : arguments.map(quoted)
        if !command.records.resume { words.append("--resume") }
        return words.joined(separator: " ")
    }

    /// As a shell takes it for one word.
    static func quoted(_ word: String) -> String {
        let plain = word.utf8.allSatisfy { byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
            default: "-_./:=,@%+".utf8.contains(byte)
            }
        }
        if plain, !word.isEmpty { return word }
        return "'\(word.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''"))'"
    }
}
