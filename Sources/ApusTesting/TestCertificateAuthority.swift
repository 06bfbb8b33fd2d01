#if TLS
public import ApusNet
import COpenSSL

/// Makes certificates for tests: a root of its own, in memory, and whatever it signs.
///
/// ```swift
/// let authority = try TestCertificateAuthority()
/// var server = HTTPServer.Configuration()
/// server.tls = TLSServerConfiguration(identity: try authority.issue(names: ["localhost"]))
/// var client = ClientSession.Configuration()
/// client.tls.trust = .roots([authority.certificate])
/// ```
// @unchecked: the two OpenSSL objects are only read after `init`.
public final class TestCertificateAuthority: @unchecked Sendable {
    /// What a certificate is meant for.
    public enum Purpose: Sendable {
        case server
        case client
    }

    /// The key of a certificate.
    public enum Key: Sendable {
        case p256
        case rsa(bits: UInt32)
    }

    /// The root, as PEM.
    public let certificate: String
    private let root: OpaquePointer
    private let rootKey: OpaquePointer
    private let chain: String

    private static let day = 86_400

    /// Makes a root.
    ///
    /// - Throws: ``TLSError`` if OpenSSL refuses.
    public convenience init(name: String = "Apus test root") throws {
        let key = try Self.generate(.p256)
        let root = try Self.make(
            subject: name,
            key: key,
            issuer: nil,
            issuerKey: key,
            days: -1...30,
            extensions: [(NID_basic_constraints, "critical,CA:TRUE"), (NID_key_usage, "critical,keyCertSign,cRLSign")]
        )
        self.init(root: root, key: key, chain: "")
    }

    private init(root: OpaquePointer, key: OpaquePointer, chain: String) {
        self.root = root
        rootKey = key
        certificate = Self.pem { PEM_write_bio_X509($0, root) }
        self.chain = chain
    }

    deinit {
        X509_free(root)
        EVP_PKEY_free(rootKey)
    }

    /// An authority below this one: what it issues carries its certificate along.
    public func intermediate(name: String = "Apus test intermediate") throws -> TestCertificateAuthority {
        let key = try Self.generate(.p256)
        let made = try Self.make(
            subject: name,
            key: key,
            issuer: root,
            issuerKey: rootKey,
            days: -1...30,
            extensions: [(NID_basic_constraints, "critical,CA:TRUE"), (NID_key_usage, "critical,keyCertSign,cRLSign")]
        )
        return TestCertificateAuthority(root: made, key: key, chain: Self.pem { PEM_write_bio_X509($0, made) } + chain)
    }

    /// Issues a certificate with its key.
    ///
    /// - Parameters:
    ///   - names: DNS names, wildcards included.
    ///   - addresses: IP addresses in figures.
    ///   - days: from when to when it is valid, counted from now; `-2...(-1)` has expired.
    ///   - includesChain: whether the intermediates, if there are any, go along.
    public func issue(
        names: [String] = [],
        addresses: [String] = [],
        days: ClosedRange<Int> = -1...10,
        purpose: Purpose = .server,
        key kind: Key = .p256,
        includesChain: Bool = true
    ) throws -> TLSConfiguration.Identity {
        let key = try Self.generate(kind)
        defer { EVP_PKEY_free(key) }
        var extensions: [(Int32, String)] = [
            (NID_basic_constraints, "CA:FALSE"),
            (NID_ext_key_usage, purpose == .server ? "serverAuth" : "clientAuth"),
        ]
        let alternatives = names.map { "DNS:\($0)" } + addresses.map { "IP:\($0)" }
        if !alternatives.isEmpty { extensions.append((NID_subject_alt_name, alternatives.joined(separator: ","))) }
        let made = try Self.make(
            subject: names.first ?? addresses.first ?? "nobody",
            key: key,
            issuer: root,
            issuerKey: rootKey,
            days: days,
            extensions: extensions
        )
        defer { X509_free(made) }
        return TLSConfiguration.Identity(
            certificateChain: Self.pem { PEM_write_bio_X509($0, made) } + (includesChain ? chain : ""),
            privateKey: Self.pem { PEM_write_bio_PrivateKey($0, key, nil, nil, 0, nil, nil) }
        )
    }

    /// A certificate that nobody but itself has signed.
    public static func selfSigned(names: [String]) throws -> TLSConfiguration.Identity {
        let key = try generate(.p256)
        defer { EVP_PKEY_free(key) }
        let made = try make(
            subject: names.first ?? "nobody",
            key: key,
            issuer: nil,
            issuerKey: key,
            days: -1...10,
            extensions: [(NID_subject_alt_name, names.map { "DNS:\($0)" }.joined(separator: ","))]
        )
        defer { X509_free(made) }
        return TLSConfiguration.Identity(
            certificateChain: pem { PEM_write_bio_X509($0, made) },
            privateKey: pem { PEM_write_bio_PrivateKey($0, key, nil, nil, 0, nil, nil) }
        )
    }

    // MARK: OpenSSL

    private static func generate(_ kind: Key) throws -> OpaquePointer {
        let key =
            switch kind {
            case .p256: apus_generate_p256()
            case .rsa(let bits): apus_generate_rsa(bits)
            }
        guard let key else { throw TestCertificateError(description: "OpenSSL cannot make a key") }
        return key
    }

    private static func make(
        subject: String,
        key: OpaquePointer,
        issuer: OpaquePointer?,
        issuerKey: OpaquePointer,
        days: ClosedRange<Int>,
        extensions: [(Int32, String)]
    ) throws -> OpaquePointer {
        guard let made = X509_new() else {
            throw TestCertificateError(description: "OpenSSL cannot make a certificate")
        }
        X509_set_version(made, 2)
        ASN1_INTEGER_set(X509_get_serialNumber(made), Int.random(in: 1...Int(Int32.max)))
        X509_gmtime_adj(X509_getm_notBefore(made), days.lowerBound * day)
        X509_gmtime_adj(X509_getm_notAfter(made), days.upperBound * day)
        X509_set_pubkey(made, key)
        X509_NAME_add_entry_by_txt(X509_get_subject_name(made), "CN", MBSTRING_UTF8, subject, -1, -1, 0)
        X509_set_issuer_name(made, X509_get_subject_name(issuer ?? made))
        for (identifier, value) in extensions {
            guard apus_x509_add_extension(made, issuer ?? made, identifier, value) == 1 else {
                X509_free(made)
                throw TestCertificateError(description: "OpenSSL refuses the extension “\(value)”")
            }
        }
        guard X509_sign(made, issuerKey, EVP_sha256()) > 0 else {
            X509_free(made)
            throw TestCertificateError(description: "OpenSSL cannot sign")
        }
        return made
    }

    private static func pem(_ write: (OpaquePointer?) -> Int32) -> String {
        let bio = BIO_new(BIO_s_mem())
        defer { BIO_free(bio) }
        guard write(bio) == 1 else { return "" }
        var contents: UnsafeMutablePointer<CChar>?
        let count = apus_bio_memory_contents(bio, &contents)
        return String(decoding: UnsafeRawBufferPointer(start: contents, count: max(0, count)), as: UTF8.self)
    }
}

/// OpenSSL would not make a certificate for a test.
public struct TestCertificateError: Error, CustomStringConvertible {
    public var description: String

    public init(description: String) { self.description = description }
}
#endif
