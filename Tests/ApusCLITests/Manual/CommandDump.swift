import Foundation

/// What ArgumentParser tells of a command (`--experimental-dump-help`), as far as a manual page has it.
struct CommandDump: Decodable {
    struct Argument: Decodable {
        struct Name: Decodable {
            var kind: String
            var name: String

            /// As it is typed.
            var text: String { kind == "long" ? "--\(name)" : "-\(name)" }
        }

        var kind: String
        var names: [Name]?
        var valueName: String?
        var abstract: String?
        var discussion: String?
        var defaultValue: String?
        var sectionTitle: String?
        var isOptional: Bool
        var isRepeating: Bool
        var shouldDisplay: Bool
    }

    var commandName: String
    var abstract: String?
    var discussion: String?
    var arguments: [Argument]?
    var subcommands: [CommandDump]?
    var shouldDisplay: Bool?

    private struct Whole: Decodable { var command: CommandDump }

    /// - Parameter json: the dump.
    static func parse(_ json: String) throws -> CommandDump {
        try JSONDecoder().decode(Whole.self, from: Data(json.utf8)).command
    }
}
