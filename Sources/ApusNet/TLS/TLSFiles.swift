import Glibc

extension TLSConfiguration.Identity {
    /// Reads a certificate chain and its key from files.
    ///
    /// It reads at once, and blocks meanwhile: on a loop, write `try await offload { try Identity(certificateFile: …) }`.
    ///
    /// - Parameters:
    ///   - certificateFile: PEM: the certificate, then those that lead to its root.
    ///   - keyFile: PEM; nil if the key is in `certificateFile` too.
    ///   - password: for an encrypted key. Nobody is asked for one.
    /// - Throws: ``TLSError`` `.badCertificateFile`, `.badKeyFile` for what cannot be read. What the files hold is checked where the identity is
    ///   used.
    public init(certificateFile: String, keyFile: String? = nil, password: String? = nil) throws(TLSError) {
        let chain = try PEMFile.read(certificateFile, orThrow: .badCertificateFile)
        self.init(
            certificateChain: chain,
            privateKey: try keyFile.map { path throws(TLSError) in try PEMFile.read(path, orThrow: .badKeyFile) }
                ?? chain,
            password: password
        )
    }
}

extension TLSConfiguration.Trust {
    /// Only the certificates in a PEM file, roots or not.
    ///
    /// It reads at once, and blocks meanwhile: on a loop, write `try await offload { try .roots(file: …) }`.
    ///
    /// - Throws: ``TLSError`` `.badCertificateFile` if it cannot be read.
    public static func roots(file path: String) throws(TLSError) -> TLSConfiguration.Trust {
        .roots([try PEMFile.read(path, orThrow: .badCertificateFile)])
    }
}

/// Reads certificates and keys.
private enum PEMFile {
    /// The largest bundle of roots in use has 0.3 MiB; whatever is larger was not meant.
    static let sizeLimit = 4 * 1024 * 1024

    static func read(_ path: String, orThrow code: TLSError.Code) throws(TLSError) -> String {
        func problem(_ number: Int32) -> TLSError {
            TLSError(code, "cannot read \(path): \(String(cString: strerror(number)))")
        }
        // Not to hang in a FIFO that nobody writes to.
        let fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard fd >= 0 else { throw problem(errno) }
        defer { close(fd) }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = Glibc.read(fd, &piece, piece.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw problem(errno) }
            if count == 0 { break }
            bytes += piece[..<count]
            guard bytes.count <= sizeLimit else {
                throw TLSError(code, "\(path) is larger than 4 MiB: neither certificates nor keys are.")
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
