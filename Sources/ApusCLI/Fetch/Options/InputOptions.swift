import ArgumentParser

/// Where URLs come from besides the command line.
struct InputOptions: ParsableArguments {
    @Option(
        name: [.customShort("i"), .customLong("input")],
        help: ArgumentHelp("Take URLs from this file too, one a line; - is standard input.", valueName: "file"),
        completion: .file()
    )
    var input: String?

    @Flag(name: [.customShort("g"), .long], help: "Take { and } in URLs as they are.")
    var globoff = false

    func validate() throws {
        if input?.isEmpty == true { throw ValidationError("-i needs the name of a file, or - for standard input.") }
    }
}
