import ApusNet
import ApusRuntime
import ApusWire

/// The hashes of Digest authentication, by OpenSSL.
enum DigestHash {
    /// Bodies up to this are hashed on the loop: some 100 µs.
    private static let smallSize = 64 * 1024
    private static let pieceSize = 1024 * 1024

    static func compute(_ hash: DigestAlgorithm.Hash, _ bytes: [UInt8]) throws(AuthenticationError) -> [UInt8] {
        let digest = try make(hash)
        digest.update(bytes)
        return digest.finish()
    }

    private static func make(_ hash: DigestAlgorithm.Hash) throws(AuthenticationError) -> MessageDigest {
        let name =
            switch hash {
            case .md5: "MD5"
            case .sha1: "SHA1"
            case .sha256: "SHA256"
            case .sha512Truncated256: "SHA512-256"
            case .sha512: "SHA512"
            }
        do throws(TLSError) {
            return try MessageDigest(name)
        } catch {
            throw AuthenticationError(
                .hashUnavailable,
                "Digest authentication by \(hash.name) is not available. \(error.description)"
            )
        }
    }

    /// Whether a body's hash costs next to nothing.
    static func isAtHand(_ exchange: Exchange) -> Bool {
        switch exchange.body?.content {
        case nil: true
        case .bytes(let bytes): bytes.count <= smallSize
        case .file, .written, .multipart: false
        }
    }

    /// The hash of a request's body, read where it is: on the pool, if that takes long.
    ///
    /// - Throws: ``ClientError``, ``NetError``, ``AuthenticationError``, `CancellationError`.
    static func compute(_ hash: DigestAlgorithm.Hash, bodyOf exchange: Exchange) async throws -> [UInt8] {
        switch exchange.body?.content {
        case nil: return try compute(hash, [])
        case .bytes(let bytes):
            if bytes.count <= smallSize { return try compute(hash, bytes) }
            return try await offload(to: .cpu) { try compute(hash, bytes) }
        case .file:
            let digest = try make(hash)
            if let file = exchange.uploadPlan?.file { try await update(digest, file) }
            return digest.finish()
        case .multipart:
            guard let multipart = exchange.uploadPlan?.multipart else { break }
            let digest = try make(hash)
            for segment in multipart.plan.segments() {
                switch segment {
                case .bytes(let bytes): digest.update(bytes)
                case .source(let number):
                    guard case .file(let file) = multipart.sources[number] else { throw unhashable(exchange) }
                    try await update(digest, file)
                }
            }
            return digest.finish()
        case .written: break
        }
        throw unhashable(exchange)
    }

    private static func update(_ digest: MessageDigest, _ file: SourceFile) async throws {
        var offset = file.range.lowerBound
        while offset < file.range.upperBound {
            let piece = try await file.read(at: offset, count: pieceSize)
            digest.update(piece)
            offset += Int64(piece.count)
        }
    }

    private static func unhashable(_ exchange: Exchange) -> ClientError {
        exchange.error(
            .bodyNotRestartable,
            "The server wants a digest of the whole body in front of it (qop=auth-int), and the body is written while it is sent. Send bytes or "
                + "a file."
        )
    }
}
