import Apus
import ArgumentParser
import Glibc

/// How `apus fetch` checks whom it talks to: curl's names.
struct TLSOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Trust the certificates in this PEM file, and no others.", valueName: "file"))
    var cacert: String?

    @Option(help: ArgumentHelp("Show this certificate (PEM, with its chain) to servers that ask.", valueName: "file"))
    var cert: String?

    @Option(help: ArgumentHelp("The certificate's private key (PEM).", valueName: "file"))
    var key: String?

    @Flag(help: "Accept any certificate: whoever is on the way can read and change everything.")
    var insecure = false

    func validate() throws {
        if insecure, cacert != nil {
            throw ValidationError("--insecure accepts any certificate, and --cacert only some: name one of them.")
        }
        if (cert == nil) != (key == nil) { throw ValidationError("--cert and --key belong together.") }
    }

    /// - Throws: ``FileProblem`` for a file that cannot be read.
    func configuration() throws -> TLSConfiguration {
        var result = insecure ? TLSConfiguration.insecureWithoutVerification() : TLSConfiguration()
        if let cacert { result.trust = .roots([try Self.read(cacert)]) }
        if let cert, let key {
            result.identity = .init(certificateChain: try Self.read(cert), privateKey: try Self.read(key))
        }
        return result
    }

    private struct FileProblem: Error, CustomStringConvertible {
        var description: String
    }

    /// Certificates are small; whatever is not was not meant.
    private static let sizeLimit = 1024 * 1024

    private static func read(_ path: String) throws -> String {
        guard let file = fopen(path, "re") else {
            throw FileProblem(description: "cannot read \(path): \(String(cString: strerror(errno)))")
        }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: sizeLimit + 1)
        let count = fread(&bytes, 1, bytes.count, file)
        guard count <= sizeLimit else {
            throw FileProblem(description: "\(path) is larger than 1 MiB: no certificate is.")
        }
        guard ferror(file) == 0 else {
            throw FileProblem(description: "cannot read \(path): \(String(cString: strerror(errno)))")
        }
        return String(decoding: bytes[..<count], as: UTF8.self)
    }
}
