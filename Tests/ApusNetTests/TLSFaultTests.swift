#if TLS
import ApusNet
import ApusRuntime
import ApusTesting
import Testing

/// A fault of a certificate, and what the client has to say about it.
struct CertificateFault: Sendable, CustomTestStringConvertible {
    var testDescription: String
    /// The host that the client asks for, which its message has to name.
    var host = "shop.example"
    /// Whom the client trusts, and what the server shows.
    var make: @Sendable (_ root: TestCertificateAuthority) throws -> TLSConfiguration.Identity
    var code: TLSError.Code
    /// What the message must contain besides the host.
    var words: [String]

    static let all: [CertificateFault] = chains + purposes + names

    private static let chains: [CertificateFault] = [
        CertificateFault(
            testDescription: "expired",
            make: { try $0.issue(names: ["shop.example"], days: -9...(-2)) },
            code: .certificateExpired,
            words: ["The certificate for shop.example expired on 20"]
        ),
        CertificateFault(
            testDescription: "not yet valid",
            make: { try $0.issue(names: ["shop.example"], days: 2...9) },
            code: .certificateNotYetValid,
            words: ["is not valid before 20", "clock"]
        ),
        CertificateFault(
            testDescription: "self-signed",
            make: { _ in try TestCertificateAuthority.selfSigned(names: ["shop.example"]) },
            code: .untrustedCertificate,
            words: ["signed by itself"]
        ),
        CertificateFault(
            testDescription: "an unknown authority",
            make: { _ in try TestCertificateAuthority(name: "Nobody's root").issue(names: ["shop.example"]) },
            code: .untrustedCertificate,
            words: ["cannot be traced to a trusted root", "“Nobody's root”"]
        ),
        CertificateFault(
            testDescription: "an untrusted chain, sent with its root",
            make: { _ in
                let other = try TestCertificateAuthority(name: "Nobody's root")
                var identity = try other.intermediate().issue(names: ["shop.example"])
                identity.certificateChain += other.certificate
                return identity
            },
            code: .untrustedCertificate,
            words: ["leads to a root that is not trusted", "“Nobody's root”"]
        ),
        CertificateFault(
            testDescription: "an authority that only has the name of a trusted one",
            make: { _ in try TestCertificateAuthority().issue(names: ["shop.example"]) },
            code: .untrustedCertificate,
            words: ["signature"]
        ),
        CertificateFault(
            testDescription: "a missing intermediate",
            make: { try $0.intermediate().issue(names: ["shop.example"], includesChain: false) },
            code: .untrustedCertificate,
            words: ["does not send the certificates in between", "“Apus test intermediate”"]
        ),
        CertificateFault(
            testDescription: "an expired intermediate",
            make: { try $0.intermediate(days: -9...(-2)).issue(names: ["shop.example"]) },
            code: .certificateExpired,
            words: ["“Apus test intermediate”", "in the chain of shop.example", "expired on 20"]
        ),
        CertificateFault(
            testDescription: "an intermediate that is not valid yet",
            make: { try $0.intermediate(days: 2...9).issue(names: ["shop.example"]) },
            code: .certificateNotYetValid,
            words: ["“Apus test intermediate”", "in the chain of shop.example", "is not valid before 20"]
        ),
        CertificateFault(
            testDescription: "RSA with 1024 bits",
            make: { try $0.issue(names: ["shop.example"], key: .rsa(bits: 1024)) },
            code: .weakCertificate,
            words: ["too weak", "key"]
        ),
        CertificateFault(
            testDescription: "signed with SHA-1",
            make: { try $0.issue(names: ["shop.example"], digest: .sha1) },
            code: .weakCertificate,
            words: ["too weak", "digest"]
        ),
    ]

    private static let purposes: [CertificateFault] = [
        CertificateFault(
            testDescription: "a certificate for clients",
            make: { try $0.issue(names: ["shop.example"], purpose: .client) },
            code: .wrongPurpose,
            words: ["is not meant for TLS servers"]
        ),
        CertificateFault(
            testDescription: "signed by who is no authority",
            make: { try $0.intermediate(isAuthority: false).issue(names: ["shop.example"]) },
            code: .wrongPurpose,
            words: ["“Apus test intermediate”", "in the chain of shop.example", "no authority"]
        ),
    ]

    private static func wrongName(
        _ description: String,
        host: String = "shop.example",
        names: [String] = [],
        addresses: [String] = [],
        commonName: String? = nil,
        words: [String]
    ) -> CertificateFault {
        CertificateFault(
            testDescription: description,
            host: host,
            make: { try $0.issue(names: names, addresses: addresses, commonName: commonName) },
            code: .hostMismatch,
            words: ["is not for \(host): it is for"] + words
        )
    }

    private static let names: [CertificateFault] = [
        wrongName("another host", names: ["other.example"], words: ["DNS:other.example"]),
        wrongName("a host that ends alike", names: ["workshop.example"], words: ["DNS:workshop.example"]),
        wrongName("a host that begins alike", names: ["shop.example.evil.test"], words: ["DNS:shop.example.evil.test"]),
        wrongName("another address", host: "127.0.0.1", addresses: ["127.0.0.2"], words: ["IP Address:127.0.0.2"]),
        wrongName("another IPv6 address", host: "::1", addresses: ["::2"], words: ["IP Address:0:0:0:0:0:0:0:2"]),
        wrongName("an address as a name", host: "127.0.0.1", names: ["127.0.0.1"], words: ["DNS:127.0.0.1"]),
        wrongName("the host as a common name only", commonName: "shop.example", words: ["no host at all"]),
        wrongName(
            "the host as a common name beside another",
            names: ["other.example"],
            commonName: "shop.example",
            words: ["DNS:other.example"]
        ),
        wrongName(
            "the host as a common name beside an address",
            addresses: ["127.0.0.1"],
            commonName: "shop.example",
            words: ["IP Address:127.0.0.1"]
        ),
        wrongName("a NUL behind the host", names: ["shop.example\0.evil.test"], words: ["NUL"]),
        wrongName(
            "a wildcard for two labels",
            host: "a.b.shop.test",
            names: ["*.shop.test"],
            words: ["DNS:*.shop.test"]
        ),
        wrongName("a wildcard for none", host: "shop.test", names: ["*.shop.test"], words: ["DNS:*.shop.test"]),
        wrongName(
            "a wildcard in front of a part of a label",
            host: "my-shop.example.test",
            names: ["*shop.example.test"],
            words: ["DNS:*shop.example.test"]
        ),
        wrongName(
            "a wildcard behind a part of a label",
            host: "shop1.example.test",
            names: ["shop*.example.test"],
            words: ["DNS:shop*.example.test"]
        ),
        wrongName(
            "a wildcard inside",
            host: "www.shop.example.test",
            names: ["www.*.example.test"],
            words: ["DNS:www.*.example.test"]
        ),
        wrongName("a wildcard for everybody", names: ["*"], words: ["DNS:*"]),
        wrongName("a wildcard for a top-level domain", names: ["*.example"], words: ["DNS:*.example"]),
        wrongName("a wildcard for an address", host: "127.0.0.1", names: ["*.0.0.1"], words: ["DNS:*.0.0.1"]),
    ]
}

@Suite("TLS: faults of certificates")
struct TLSFaultTests {
    @Test("is refused in its own words", arguments: CertificateFault.all)
    func refused(fault: CertificateFault) async throws {
        let root = try TestCertificateAuthority()
        let identity = try fault.make(root)
        try await withTestLoop {
            var seen: TLSError?
            let left = try await leaks {
                let (near, far) = try memoryStreams()
                // A server of ours would refuse to show some of them.
                let server = try RawTLSPeer(identity, over: far)
                async let serving = error { try await server.handshake() }
                seen = await tlsError { try await near.startTLS(host: fault.host, configuration: .trusting(root)) }
                await far.close()
                _ = await serving
            }
            let refusal = try #require(seen)
            #expect(refusal.code == fault.code, "\(refusal)")
            let text = refusal.description
            for word in fault.words + [fault.host] { #expect(text.contains(word), "“\(word)” is not in: \(text)") }
            #expect(left.isEmpty, "\(left)")
        }
    }

    @Test("a signature with MD5 is refused as too weak")
    func md5() async throws {
        let root = try TestCertificateAuthority(key: .rsa(bits: 2048))
        let identity = try root.issue(names: ["shop.example"], digest: .md5)
        let refusal = try await withTestLoop { () -> TLSError? in
            let (near, far) = try memoryStreams()
            let server = try RawTLSPeer(identity, over: far)
            async let serving = error { try await server.handshake() }
            let refusal = await tlsError {
                try await near.startTLS(host: "shop.example", configuration: .trusting(root))
            }
            await far.close()
            _ = await serving
            return refusal
        }
        #expect(refusal?.code == .weakCertificate)
        #expect(refusal?.description.contains("shop.example") == true)
    }

    @Test(
        "a name that a certificate is for is accepted",
        arguments: [
            ("www.shop.test", ["*.shop.test"], []), ("SHOP.Example", ["shop.example"], []),
            ("shop.example.", ["shop.example"], []), ("127.0.0.1", [], ["127.0.0.1"]), ("::1", [], ["::1"]),
            ("b.example", ["a.example", "b.example"], ["127.0.0.1"]),
        ] as [(String, [String], [String])]
    )
    func accepted(host: String, names: [String], addresses: [String]) async throws {
        let root = try TestCertificateAuthority()
        let server = TLSServerConfiguration(identity: try root.issue(names: names, addresses: addresses))
        try await withTestLoop {
            let result = try await handshake(host: host, .trusting(root), server)
            #expect(result.client == nil)
            #expect(result.server == nil)
        }
    }

    @Test("what is named as trusted is trusted, root or not, and still has to be for the host")
    func namedAsTrusted() async throws {
        let root = try TestCertificateAuthority()
        let intermediate = try root.intermediate()
        let identity = try intermediate.issue(names: ["shop.example"])
        try await withTestLoop {
            for trusted in [root.certificate, intermediate.certificate, identity.certificateChain] {
                var client = TLSConfiguration()
                client.trust = .roots([trusted])
                let result = try await handshake(
                    host: "shop.example",
                    client,
                    TLSServerConfiguration(identity: identity)
                )
                #expect(result.client == nil)
                let other = try await handshake(
                    host: "other.example",
                    client,
                    TLSServerConfiguration(identity: identity)
                )
                #expect((other.client as? TLSError)?.code == .hostMismatch)
            }
        }
    }

    @Test("a host that no certificate can be for is refused before anything is sent", arguments: ["", "a\0b", "."])
    func impossibleHost(host: String) async throws {
        let root = try TestCertificateAuthority()
        try await withTestLoop {
            let (near, far) = try memoryStreams()
            let refusal = await tlsError { try await near.startTLS(host: host, configuration: .trusting(root)) }
            #expect(refusal?.code == .badConfiguration)
            let sent = try await far.read()
            #expect(sent.isEmpty)
            await far.close()
        }
    }

    @Test("a server does not start with a certificate that clients would refuse as too weak, or with another's key")
    func badServerIdentity() async throws {
        let root = try TestCertificateAuthority()
        let weak = try root.issue(names: ["localhost"], key: .rsa(bits: 1024))
        #expect(throws: TLSError.self) { try TLSServerContext(TLSServerConfiguration(identity: weak)) }
        var mixed = try root.issue(names: ["localhost"])
        mixed.privateKey = try root.issue(names: ["localhost"]).privateKey
        let error = #expect(throws: TLSError.self) { try TLSServerContext(TLSServerConfiguration(identity: mixed)) }
        #expect(error?.code == .badKeyFile)
    }

    @Test("a chain with a hole is an error, and not a shorter chain")
    func damagedChain() throws {
        let root = try TestCertificateAuthority()
        var identity = try root.intermediate().issue(names: ["localhost"])
        let lines = identity.certificateChain.split(separator: "\n", omittingEmptySubsequences: false)
        identity.certificateChain = lines.dropLast(4).joined(separator: "\n")
        let error = #expect(throws: TLSError.self) { try TLSServerContext(TLSServerConfiguration(identity: identity)) }
        #expect(error?.code == .badCertificateFile)
        #expect(error?.description.contains("Certificate 2") == true)
    }

    @Test("a machine without a trust store says so, and what to do")
    func noTrustStore() async {
        await #expect(processExitsWith: .success) {
            setEnvironment("SSL_CERT_FILE", "/nonexistent/roots.pem")
            setEnvironment("SSL_CERT_DIR", "/nonexistent/roots")
            try await withTestLoop {
                let fixture = try TLSFixture()
                let first = try await handshake(TLSConfiguration(), fixture.server).client as? TLSError
                try #require(first?.code == .noTrustStore)
                for word in ["/nonexistent/roots.pem", "/nonexistent/roots", "ca-certificates", "SSL_CERT_FILE"] {
                    try #require(first?.description.contains(word) == true)
                }
                // A file without certificates is none either.
                setEnvironment("SSL_CERT_FILE", "/dev/null")
                let second = try await handshake(TLSConfiguration(), fixture.server).client as? TLSError
                try #require(second?.code == .noTrustStore)
                // Roots of one's own need no store.
                try #require(try await handshake(fixture.client, fixture.server).client == nil)
            }
        }
    }
}
#endif
