import ArgumentParser
import Foundation
import Testing

@testable import ApusCLI

@Suite struct ManualTests {
    private static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().appending(path: "docs/man")

    private func command() throws -> CommandDump { try CommandDump.parse(ApusCommand._dumpHelp()) }

    private func pages() throws -> [ManualPage] {
        let command = try command()
        let subcommands = (command.subcommands ?? []).filter { $0.commandName != "help" && $0.shouldDisplay != false }
        let names = ["apus"] + subcommands.map { "apus-\($0.commandName)" }
        func page(_ words: [String], _ command: CommandDump) -> ManualPage {
            let others = names.filter { $0 != words.joined(separator: "-") }
            return ManualPage(
                words: words,
                version: ApusCommand.configuration.version,
                command: command,
                others: others
            )
        }
        return [page(["apus"], command)] + subcommands.map { page(["apus", $0.commandName], $0) }
    }

    /// With `APUS_WRITE_MANUAL` set they are written, which is what `./run manual` does.
    @Test func thePagesAreWhatTheCommandsSayOfThemselves() throws {
        let writes = ProcessInfo.processInfo.environment["APUS_WRITE_MANUAL"] == "1"
        var expected: Set<String> = []
        for page in try pages() {
            let file = Self.folder.appending(path: "\(page.name).1")
            expected.insert(file.lastPathComponent)
            if writes { try page.text.write(to: file, atomically: true, encoding: .utf8) }
            let text = (try? String(contentsOf: file, encoding: .utf8)) ?? ""
            #expect(
                text == page.text,
                "docs/man/\(page.name).1 is not what the command says: ./run manual writes it anew."
            )
        }
        let files = try FileManager.default.contentsOfDirectory(atPath: Self.folder.path(percentEncoded: false))
        #expect(Set(files) == expected)
    }

    @Test func everyCommandAndEveryOptionIsExplained() throws {
        func check(_ command: CommandDump, _ words: [String]) {
            #expect(command.abstract?.hasSuffix(".") == true, "\(words)")
            for argument in command.arguments ?? [] where argument.shouldDisplay {
                let name = argument.names?.last?.text ?? argument.valueName ?? ""
                #expect(argument.abstract?.isEmpty == false, "\(words) \(name)")
            }
            for subcommand in command.subcommands ?? [] where subcommand.commandName != "help" {
                check(subcommand, words + [subcommand.commandName])
            }
        }
        check(try command(), ["apus"])
    }

    @Test func noTextIsTakenForACommandOfThePage() {
        #expect(ManualPage.escaped(".SH fake") == "\\&.SH fake")
        #expect(ManualPage.escaped("'x' \\fB-a") == "\\(aqx\\(aq \\efB\\-a")
        let argument = CommandDump.Argument(
            kind: "option",
            names: [.init(kind: "long", name: "long"), .init(kind: "short", name: "l")],
            valueName: "file",
            abstract: ".not a macro",
            defaultValue: "a-b",
            sectionTitle: "Group",
            isOptional: true,
            isRepeating: false,
            shouldDisplay: true
        )
        let command = CommandDump(
            commandName: "x",
            abstract: "Does it.",
            discussion: "First.\n\n    code -x\n\nExamples:\n\n    one\n\nExit codes: 0 or 1.",
            arguments: [argument]
        )
        let page = ManualPage(words: ["apus", "x"], version: "apus 1", command: command, others: ["apus"])
        #expect(
            page.text == #"""
                .\" Made from the command's own help by `./run manual`: change that, and not this.
                .TH APUS\-X 1 "" "apus 1" "User Commands"
                .SH NAME
                apus\-x \- does it
                .SH SYNOPSIS
                \fBapus x\fR [\fIoption\fR ...]
                .SH DESCRIPTION
                First.
                .PP
                .RS 4
                .EX
                code \-x
                .EE
                .RE
                .SH OPTIONS
                .SS "Group"
                .TP
                \fB\-l\fR, \fB\-\-long\fR \fIfile\fR
                \&.not a macro (default: a\-b)
                .SH "EXIT STATUS"
                0 or 1.
                .SH "EXAMPLES"
                .RS 4
                .EX
                one
                .EE
                .RE
                .SH "SEE ALSO"
                .BR apus (1)

                """#
        )
    }
}
