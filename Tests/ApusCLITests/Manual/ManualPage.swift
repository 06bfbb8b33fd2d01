/// A page in the language of man(7), made of what a command says of itself.
struct ManualPage {
    /// Such as `["apus", "fetch"]`.
    var words: [String]
    var version: String
    var command: CommandDump
    /// Names of the other pages, such as `apus-bench`.
    var others: [String]

    /// The page's name, and its file's without `.1`.
    var name: String { words.joined(separator: "-") }

    /// Paragraphs of the discussion that begin so are sections of their own, in this order behind the options.
    private static let sections = [
        (start: "Exit codes:", title: "EXIT STATUS"), (start: "Environment:", title: "ENVIRONMENT"),
        (start: "Files:", title: "FILES"),
        (start: "Examples:", title: "EXAMPLES"),
    ]

    var text: String {
        var lines = [
            #".\" Made from the command's own help by `./run manual`: change that, and not this."#,
            ".TH \(Self.escaped(name.uppercased())) 1 \"\" \"\(version)\" \"User Commands\"", ".SH NAME",
            "\(Self.escaped(name)) \\- \(Self.escaped(summary))", ".SH SYNOPSIS", synopsis,
        ]
        let parts = self.parts
        lines += [".SH DESCRIPTION"] + (parts["DESCRIPTION"] ?? [Self.escaped(command.abstract ?? "")])
        let subcommands = (command.subcommands ?? []).filter { $0.commandName != "help" && $0.shouldDisplay != false }
        if !subcommands.isEmpty { lines.append(".SH COMMANDS") }
        for subcommand in subcommands {
            lines += [
                ".TP", "\\fB\(Self.escaped((words + [subcommand.commandName]).joined(separator: " ")))\\fR",
                Self.escaped(subcommand.abstract ?? ""),
            ]
        }
        lines += options
        for section in Self.sections {
            if let text = parts[section.title] { lines += [".SH \"\(section.title)\""] + text }
        }
        if !others.isEmpty {
            lines += [".SH \"SEE ALSO\"", others.map { ".BR \(Self.escaped($0)) (1)" }.joined(separator: " ,\n")]
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// In the middle of a line: in lower case, and without a full stop.
    private var summary: String {
        var text = command.abstract ?? ""
        if text.hasSuffix(".") { text.removeLast() }
        let first = text.prefix { $0 != " " }
        let isName = first.dropFirst().contains { $0.isUppercase || $0 == "/" }
        return isName ? text : text.prefix(1).lowercased() + text.dropFirst()
    }

    private var synopsis: String {
        var text = "\\fB\(Self.escaped(words.joined(separator: " ")))\\fR [\\fIoption\\fR ...]"
        if !(command.subcommands ?? []).filter({ $0.commandName != "help" }).isEmpty { text += " \\fIcommand\\fR" }
        for argument in command.arguments ?? [] where argument.kind == "positional" && argument.shouldDisplay {
            var value = "\\fI\(Self.escaped(argument.valueName ?? "value"))\\fR"
            if argument.isRepeating { value += " ..." }
            text += argument.isOptional ? " [\(value)]" : " \(value)"
        }
        return text
    }

    private var options: [String] {
        let shown = (command.arguments ?? []).filter(\.shouldDisplay)
        var titles: [String?] = []
        for argument in shown where !titles.contains(argument.sectionTitle) { titles.append(argument.sectionTitle) }
        // What belongs to no group comes first, and help at the very end.
        titles.sort { $0 == nil && $1 != nil }
        var lines = [".SH OPTIONS"]
        for title in titles {
            if let title { lines.append(".SS \"\(Self.escaped(title))\"") }
            for argument in shown where argument.sectionTitle == title { lines += Self.option(argument) }
        }
        return lines
    }

    private static func option(_ argument: CommandDump.Argument) -> [String] {
        let value = argument.kind == "flag" ? "" : "\\fI\(escaped(argument.valueName ?? "value"))\\fR"
        // The short names first, as they are always listed.
        let names = (argument.names ?? []).sorted { $0.kind != "long" && $1.kind == "long" }
            .map { "\\fB\(escaped($0.text))\\fR" }
        var head = names.joined(separator: ", ")
        if !value.isEmpty { head += head.isEmpty ? value : " \(value)" }
        if argument.isRepeating { head += " ..." }
        var text = escaped([argument.abstract, argument.discussion].compactMap(\.self).joined(separator: " "))
        if let value = argument.defaultValue { text += " (default: \(escaped(value)))" }
        return [".TP", head, text.isEmpty ? "\\&" : text]
    }

    /// The discussion by sections.
    private var parts: [String: [String]] {
        var parts: [String: [String]] = [:]
        var title = "DESCRIPTION"
        for paragraph in Self.paragraphs(command.discussion ?? "") {
            var lines = paragraph
            if let section = Self.sections.first(where: { lines[0].hasPrefix($0.start) }) {
                title = section.title
                lines[0] = String(lines[0].dropFirst(section.start.count).drop { $0 == " " })
                if lines[0].isEmpty { lines.removeFirst() }
                if lines.isEmpty { continue }
            } else if title != "EXAMPLES" || !lines[0].hasPrefix(" ") {
                title = lines[0].hasPrefix(" ") ? title : "DESCRIPTION"
            }
            parts[title, default: []] += Self.paragraph(lines)
        }
        // A section begins a paragraph anyway.
        return parts.mapValues { $0.first == ".PP" ? Array($0.dropFirst()) : $0 }
    }

    private static func paragraphs(_ text: String) -> [[String]] {
        text.split(separator: "\n", omittingEmptySubsequences: false).split { $0.allSatisfy { $0 == " " } }
            .map { $0.map(String.init) }
    }

    /// What is indented stays as it is.
    private static func paragraph(_ lines: [String]) -> [String] {
        guard lines[0].hasPrefix("  ") else { return [".PP"] + lines.map(escaped) }
        let indentation = lines.map { $0.prefix { $0 == " " }.count }.min() ?? 0
        return [".PP", ".RS 4", ".EX"] + lines.map { escaped(String($0.dropFirst(indentation))) } + [".EE", ".RE"]
    }

    /// Text as it stands, whatever it begins with.
    static func escaped(_ text: String) -> String {
        var result = ""
        for character in text {
            switch character {
            case "\\": result += "\\e"
            case "-": result += "\\-"
            case "'": result += "\\(aq"
            case "`": result += "\\(ga"
            case "^": result += "\\(ha"
            case "~": result += "\\(ti"
            default: result.append(character)
            }
        }
        return result.hasPrefix(".") ? "\\&" + result : result
    }
}
