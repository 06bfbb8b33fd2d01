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

    /// What a signature is made of.
    public enum Digest: Sendable {
        case sha256
        /// Too weak, for tests of refusals; MD5 signs with RSA keys only.
        case sha1, md5
    }

    /// How a private key is encrypted.
    public enum KeyEncryption: Sendable {
        /// `BEGIN ENCRYPTED PRIVATE KEY`, as OpenSSL 3 writes it.
        case pkcs8
        /// `Proc-Type: 4,ENCRYPTED`, as old programs do.
        case traditional
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
    public convenience init(name: String = "Apus test root", key kind: Key = .p256) throws {
        let key = try Self.generate(kind)
        let root = try Self.make(
            subject: name,
            key: key,
            issuer: nil,
            issuerKey: key,
            days: -1...30,
            extensions: Self.authorityExtensions
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

    private static let authorityExtensions = [
        (NID_basic_constraints, "critical,CA:TRUE"), (NID_key_usage, "critical,keyCertSign,cRLSign"),
    ]

    /// An authority below this one: what it issues carries its certificate along.
    ///
    /// - Parameters:
    ///   - days: from when to when it is valid, counted from now.
    ///   - isAuthority: false makes a certificate that signs others and must not.
    public func intermediate(
        name: String = "Apus test intermediate",
        days: ClosedRange<Int> = -1...30,
        isAuthority: Bool = true
    ) throws -> TestCertificateAuthority {
        let key = try Self.generate(.p256)
        let made = try Self.make(
            subject: name,
            key: key,
            issuer: root,
            issuerKey: rootKey,
            days: days,
            extensions: isAuthority ? Self.authorityExtensions : [(NID_basic_constraints, "critical,CA:FALSE")]
        )
        return TestCertificateAuthority(root: made, key: key, chain: Self.pem { PEM_write_bio_X509($0, made) } + chain)
    }

    /// Issues a certificate with its key.
    ///
    /// - Parameters:
    ///   - names: DNS names, wildcards included, of up to 120 bytes. Even one with a NUL in it is made, as forgers do.
    ///   - addresses: IP addresses in figures.
    ///   - commonName: nil takes the first name.
    ///   - days: from when to when it is valid, counted from now; `-2...(-1)` has expired.
    ///   - digest: what the authority signs.
    ///   - includesChain: whether the intermediates, if there are any, go along.
    public func issue(
        names: [String] = [],
        addresses: [String] = [],
        commonName: String? = nil,
        days: ClosedRange<Int> = -1...10,
        purpose: Purpose = .server,
        key kind: Key = .p256,
        digest: Digest = .sha256,
        includesChain: Bool = true
    ) throws -> TLSConfiguration.Identity {
        let key = try Self.generate(kind)
        defer { EVP_PKEY_free(key) }
        var extensions: [(Int32, String)] = [
            (NID_basic_constraints, "CA:FALSE"),
            (NID_ext_key_usage, purpose == .server ? "serverAuth" : "clientAuth"),
        ]
        if let value = Self.alternativeNames(names, addresses) { extensions.append((NID_subject_alt_name, value)) }
        let made = try Self.make(
            subject: commonName ?? names.first ?? addresses.first ?? "nobody",
            key: key,
            issuer: root,
            issuerKey: rootKey,
            days: days,
            digest: digest,
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

    /// The same identity with its key encrypted. The password is not in it.
    ///
    /// - Throws: ``TestCertificateError`` if OpenSSL refuses.
    public static func encryptKey(
        of identity: TLSConfiguration.Identity,
        password: String,
        as encryption: KeyEncryption = .pkcs8
    ) throws -> TLSConfiguration.Identity {
        let bytes = Array(identity.privateKey.utf8)
        let key = bytes.withUnsafeBytes { buffer in
            let bio = BIO_new_mem_buf(buffer.baseAddress, Int32(clamping: buffer.count))
            defer { BIO_free(bio) }
            return PEM_read_bio_PrivateKey(bio, nil, nil, nil)
        }
        guard let key else { throw TestCertificateError(description: "OpenSSL cannot read the key") }
        defer { EVP_PKEY_free(key) }
        let secret = Array(password.utf8)
        let text = pem { bio in
            switch encryption {
            case .pkcs8:
                PEM_write_bio_PKCS8PrivateKey(
                    bio,
                    key,
                    EVP_aes_256_cbc(),
                    password,
                    Int32(clamping: secret.count),
                    nil,
                    nil
                )
            case .traditional:
                PEM_write_bio_PrivateKey_traditional(
                    bio,
                    key,
                    EVP_aes_256_cbc(),
                    secret,
                    Int32(clamping: secret.count),
                    nil,
                    nil
                )
            }
        }
        guard !text.isEmpty else { throw TestCertificateError(description: "OpenSSL cannot encrypt the key") }
        return TLSConfiguration.Identity(certificateChain: identity.certificateChain, privateKey: text)
    }

    // MARK: OpenSSL

    /// subjectAltName as openssl.cnf has it; nil for no names. A name with a NUL is no text there: then all are given as DER.
    private static func alternativeNames(_ names: [String], _ addresses: [String]) -> String? {
        guard names.contains(where: { $0.utf8.contains(0) }) else {
            let all = names.map { "DNS:\($0)" } + addresses.map { "IP:\($0)" }
            return all.isEmpty ? nil : all.joined(separator: ",")
        }
        // RFC 5280 §4.2.1.6: a sequence of [2] IA5String, all of them short.
        var entries: [UInt8] = []
        for name in names {
            entries += [0x82, UInt8(clamping: name.utf8.count)]
            entries += Array(name.utf8)
        }
        let encoded: [UInt8] = [0x30, UInt8(clamping: entries.count)] + entries
        let digits = encoded.map { byte in String(byte / 16, radix: 16) + String(byte % 16, radix: 16) }
        return "DER:" + digits.joined()
    }

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
        digest: Digest = .sha256,
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
        let function =
            switch digest {
            case .sha256: EVP_sha256()
            case .sha1: EVP_sha1()
            case .md5: EVP_md5()
            }
        guard X509_sign(made, issuerKey, function) > 0 else {
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
