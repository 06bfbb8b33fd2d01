import ArgumentParser

/// What becomes of the bodies.
struct StoringOptions: ParsableArguments {
    @Option(
        name: [.customShort("o"), .customLong("output")],
        help: ArgumentHelp("Store the bodies under this folder, which is made if need be.", valueName: "dir"),
        completion: .directory
    )
    var output: String?

    @Flag(help: "Store them as HOST[_PORT]/PATH, as the servers have them.")
    var tree = false

    @Flag(help: "Ask for what has changed since the file that is there was stored, and leave the others alone.")
    var ifModified = false

    @Flag(
        help: "Ask for compressed bodies, and store them decoded. What breaks off is then fetched anew, not continued."
    )
    var compressed = false

    @Option(help: ArgumentHelp("Give up bodies that are larger.", valueName: "bytes"))
    var maxSize: Int?

    @Option(
        help: ArgumentHelp("Keep responses in this folder for as long as they are fresh (RFC 9111).", valueName: "dir"),
        completion: .directory
    )
    var httpCache: String?

    func validate() throws {
        if output?.isEmpty == true { throw ValidationError("-o needs the name of a folder.") }
        if output == nil, tree { throw ValidationError("--tree says how files are called: name a folder with -o.") }
        if output == nil, ifModified {
            throw ValidationError("--if-modified compares with the files of a folder: name it with -o.")
        }
        if let maxSize, maxSize < 0 {
            throw ValidationError("--max-size \(maxSize): a number of at least 0 is needed.")
        }
        if httpCache?.isEmpty == true { throw ValidationError("--http-cache needs the name of a folder.") }
    }
}
