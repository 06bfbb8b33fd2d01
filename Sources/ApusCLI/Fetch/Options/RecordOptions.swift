import ArgumentParser

/// What is written down about the run.
struct RecordOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("Write a line of JSON for each URL to this file (mode 0600).", valueName: "file"),
        completion: .file()
    )
    var report: String?

    @Flag(help: "Put the SHA-256 of each body into the report.")
    var sha256 = false

    @Option(
        help: ArgumentHelp(
            "Note in this file (mode 0600) which URLs are done, so that --resume can go on.",
            valueName: "file"
        ),
        completion: .file()
    )
    var state: String?

    @Flag(help: "Go on with the run of --state: skip what is done, try again what failed, continue what broke off.")
    var resume = false

    func validate() throws {
        if sha256, !BodyDigest.isAvailable {
            throw ValidationError("--sha256 needs OpenSSL: build apus with the package trait TLS.")
        }
        if sha256, report == nil { throw ValidationError("--sha256 is a part of the report: name it with --report.") }
        if resume, state == nil { throw ValidationError("--resume goes on with a state file: name it with --state.") }
        if report?.isEmpty == true { throw ValidationError("--report needs the name of a file.") }
        if state?.isEmpty == true { throw ValidationError("--state needs the name of a file.") }
    }
}
