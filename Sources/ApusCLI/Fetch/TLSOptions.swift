import Apus
import ArgumentParser

/// How `apus fetch` checks whom it talks to: curl's names.
struct TLSOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("Trust the certificates in this PEM file, and no others.", valueName: "file"),
        completion: .file()
    )
    var cacert: String?

    @Option(
        help: ArgumentHelp("Show this certificate (PEM, with its chain) to servers that ask.", valueName: "file"),
        completion: .file()
    )
    var cert: String?

    @Option(help: ArgumentHelp("The certificate's private key (PEM).", valueName: "file"), completion: .file())
    var key: String?

    @Flag(help: "Accept any certificate: whoever is on the way can read and change everything.")
    var insecure = false

    func validate() throws {
        if insecure, cacert != nil {
            throw ValidationError("--insecure accepts any certificate, and --cacert only some: name one of them.")
        }
        if (cert == nil) != (key == nil) { throw ValidationError("--cert and --key belong together.") }
    }

    /// - Throws: ``TLSError`` for a file that cannot be read.
    func configuration() throws -> TLSConfiguration {
        var result = insecure ? TLSConfiguration.insecureWithoutVerification() : TLSConfiguration()
        if let cacert { result.trust = try .roots(file: cacert) }
        if let cert, let key { result.identity = try .init(certificateFile: cert, keyFile: key) }
        return result
    }
}
