#if TLS
import ApusNet
import ApusRuntime
import ApusTesting
import Glibc
import Testing

@Suite("TLS: configuration")
struct TLSConfigurationTests {
    // MARK: Keys

    @Test(
        "an encrypted key is read with its password, and never asked for",
        arguments: [TestCertificateAuthority.KeyEncryption.pkcs8, .traditional]
    )
    func encryptedKey(encryption: TestCertificateAuthority.KeyEncryption) async throws {
        var fixture = try TLSFixture()
        let plain = fixture.server.identity
        var identity = try TestCertificateAuthority.encryptKey(of: plain, password: "correct horse", as: encryption)
        #expect(identity.privateKey.contains("ENCRYPTED"))
        for (password, word) in [
            (nil, "without a password?"), ("wrong horse", "with this password"), ("", "with this password"),
        ] {
            identity.password = password
            let configuration = TLSServerConfiguration(identity: identity)
            let error = #expect(throws: TLSError.self) { try TLSServerContext(configuration) }
            #expect(error?.code == .badKeyFile)
            #expect(error?.description.contains(word) == true)
            #expect(error?.description.contains("horse") == false)
        }
        identity.password = "correct horse"
        fixture.server.identity = identity
        let ready = fixture
        try await withTestLoop {
            let result = try await handshake(ready.client, ready.server)
            #expect(result.client == nil)
        }
    }

    @Test("what is no key, and what is no certificate, is said to be that")
    func noPEM() throws {
        let identity = try TLSFixture().server.identity
        for (bad, code) in [
            (
                TLSConfiguration.Identity(certificateChain: "nothing", privateKey: identity.privateKey),
                TLSError.Code.badCertificateFile
            ),
            (.init(certificateChain: "", privateKey: identity.privateKey), .badCertificateFile),
            (.init(certificateChain: identity.certificateChain, privateKey: "nothing"), .badKeyFile),
            (.init(certificateChain: identity.certificateChain, privateKey: identity.certificateChain), .badKeyFile),
        ] {
            let error = #expect(throws: TLSError.self) { try TLSServerContext(TLSServerConfiguration(identity: bad)) }
            #expect(error?.code == code)
        }
    }

    @Test("printing an identity shows neither its key nor its password")
    func secrets() throws {
        var identity = try TLSFixture().server.identity
        identity.password = "correct horse"
        var client = TLSConfiguration()
        client.identity = identity
        var dumped = ""
        dump(client, to: &dumped)
        for text in [
            "\(identity)", String(reflecting: identity), "\(client)", "\(TLSServerConfiguration(identity: identity))",
            dumped,
        ] {
            #expect(!text.contains("horse"))
            #expect(!text.contains("PRIVATE KEY"))
        }
    }

    // MARK: Files

    /// A path under the build folder that is removed in the end.
    private func withFolder(_ body: (String) throws -> Void) throws {
        let folder = ".build/tmp/tls-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        mkdir(".build", 0o755)
        mkdir(".build/tmp", 0o755)
        try #require(mkdir(folder, 0o700) == 0)
        defer {
            for name in ["both.pem", "certificate.pem", "key.pem", "keys.log"] { unlink("\(folder)/\(name)") }
            rmdir(folder)
        }
        try body(folder)
    }

    private func write(_ text: String, to path: String) throws {
        let file = try #require(fopen(path, "we"))
        fputs(text, file)
        fclose(file)
    }

    private func read(_ path: String) -> String {
        guard let file = fopen(path, "re") else { return "" }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 65_536)
        return String(decoding: bytes[..<fread(&bytes, 1, bytes.count, file)], as: UTF8.self)
    }

    @Test("certificates, keys and roots come from files, key and certificate also from one")
    func files() throws {
        let identity = try TLSFixture().server.identity
        try withFolder { folder in
            try write(identity.certificateChain, to: "\(folder)/certificate.pem")
            try write(identity.privateKey, to: "\(folder)/key.pem")
            try write(identity.privateKey + identity.certificateChain, to: "\(folder)/both.pem")
            let two = try TLSConfiguration.Identity(
                certificateFile: "\(folder)/certificate.pem",
                keyFile: "\(folder)/key.pem",
                password: "x"
            )
            #expect(two.certificateChain == identity.certificateChain)
            #expect(two.privateKey == identity.privateKey)
            #expect(two.password == "x")
            let one = try TLSConfiguration.Identity(certificateFile: "\(folder)/both.pem")
            _ = try TLSServerContext(TLSServerConfiguration(identity: one))
            let trust = try TLSConfiguration.Trust.roots(file: "\(folder)/certificate.pem")
            #expect(trust == .roots([identity.certificateChain]))
            for (certificate, key, code, words) in [
                ("\(folder)/none.pem", nil, TLSError.Code.badCertificateFile, "none.pem: No such file"),
                ("\(folder)/certificate.pem", "\(folder)/none.pem", .badKeyFile, "none.pem: No such file"),
                (folder, nil, .badCertificateFile, "Is a directory"),
                ("/dev/zero", nil, .badCertificateFile, "larger than"),
            ] as [(String, String?, TLSError.Code, String)] {
                let error = #expect(throws: TLSError.self) {
                    try TLSConfiguration.Identity(certificateFile: certificate, keyFile: key)
                }
                #expect(error?.code == code)
                #expect(error?.description.contains(words) == true, "\(error?.description ?? "")")
            }
        }
    }

    // MARK: The key log

    @Test("keys are logged where that is asked for, appended, and for nobody else to read")
    func keyLog() async throws {
        let folder = ".build/tmp"
        mkdir(".build", 0o755)
        mkdir(folder, 0o755)
        let path = "\(folder)/keys-\(getpid())-\(UInt32.random(in: 0 ... .max)).log"
        defer { unlink(path) }
        try await withTestLoop {
            var fixture = try TLSFixture()
            fixture.client.keyLogFile = path
            let first = try await handshake(fixture.client, fixture.server)
            #expect(first.client == nil)
            let lines = read(path).split(separator: "\n")
            #expect(lines.contains { $0.hasPrefix("CLIENT_TRAFFIC_SECRET_0 ") })
            var facts = stat()
            stat(path, &facts)
            #expect(facts.st_mode & 0o7777 == 0o600)
            fixture.client.keyLogFile = nil
            fixture.server.keyLogFile = path
            _ = try await handshake(fixture.client, fixture.server)
            #expect(read(path).split(separator: "\n").count == 2 * lines.count)
        }
    }

    @Test("a key log that cannot be written is an error")
    func keyLogError() async throws {
        try await withTestLoop {
            var fixture = try TLSFixture()
            fixture.client.keyLogFile = "/nonexistent/keys.log"
            let error = try await handshake(fixture.client, fixture.server).client as? TLSError
            #expect(error?.code == .badConfiguration)
            #expect(error?.description.contains("/nonexistent/keys.log") == true)
        }
    }

    @Test("SSLKEYLOGFILE in the environment alone logs nothing")
    func keyLogEnvironment() async {
        await #expect(processExitsWith: .success) {
            let path = ".build/tmp/environment-\(getpid()).log"
            setEnvironment("SSLKEYLOGFILE", path)
            try await withTestLoop {
                let fixture = try TLSFixture()
                let result = try await handshake(fixture.client, fixture.server)
                try #require(result.client == nil)
            }
            try #require(access(path, F_OK) != 0)
        }
    }

    // MARK: Versions and protocols

    @Test("the oldest version is what each side says")
    func minimumVersion() async throws {
        try await withTestLoop {
            for clientOldest in [TLSVersion.tls12, .tls13] {
                for serverOldest in [TLSVersion.tls12, .tls13] {
                    var fixture = try TLSFixture()
                    fixture.client.minimumVersion = clientOldest
                    fixture.server.minimumVersion = serverOldest
                    let (near, far) = try await fixture.streams()
                    let info = await near.tlsInfo
                    #expect(info?.version == "TLSv1.3")
                    await near.close()
                    await far.close()
                }
            }
            var old = try TLSFixture(version: .tls12)
            let (near, far) = try await old.streams()
            let info = await far.tlsInfo
            #expect(info?.version == "TLSv1.2")
            await near.close()
            await far.close()
            old.client.minimumVersion = .tls13
            let refused = try await handshake(old.client, old.server)
            let errors = [refused.client as? TLSError, refused.server as? TLSError]
            #expect(errors.map(\.?.code) == [.protocolError, .protocolError])
            for error in errors { #expect(error?.description.contains("no TLS version or cipher in common") == true) }
        }
    }

    @Test("nothing older than TLS 1.2 is spoken, whatever the peer can")
    func old() async throws {
        let fixture = try TLSFixture()
        try await withTestLoop {
            let (near, far) = try memoryStreams()
            let client = try RawTLSPeer(nil, over: near, version: 0x0302)
            async let asking = error { try await client.handshake() }
            let refusal = await tlsError { try await far.startTLS(server: fixture.server) }
            #expect(refusal?.code == .protocolError)
            #expect(refusal?.description.contains("no TLS version or cipher in common") == true)
            let answer = await asking
            #expect(answer != nil)
            await near.close()
        }
    }

    @Test("the application protocol is the server's first that the client offers; none in common is refused")
    func applicationProtocols() async throws {
        try await withTestLoop {
            for (offered, accepted, expected) in [
                (["a", "b"], ["b", "a"], "b"), (["a"], ["b", "a"], "a"), ([], ["a"], nil), (["a"], [], nil),
            ] as [([String], [String], String?)] {
                var fixture = try TLSFixture()
                fixture.client.applicationProtocols = offered
                fixture.server.applicationProtocols = accepted
                let (near, far) = try await fixture.streams()
                let chosen = [await near.tlsInfo?.applicationProtocol, await far.tlsInfo?.applicationProtocol]
                #expect(chosen == [expected, expected])
                await near.close()
                await far.close()
            }
            var fixture = try TLSFixture()
            fixture.client.applicationProtocols = ["h2"]
            fixture.server.applicationProtocols = ["http/1.1"]
            let refused = try await handshake(fixture.client, fixture.server)
            #expect((refused.client as? TLSError)?.code == .alert)
            #expect((refused.client as? TLSError)?.description.contains("no application protocol") == true)
            #expect((refused.server as? TLSError)?.code == .protocolError)
            #expect((refused.server as? TLSError)?.description.contains("ALPN") == true)
            fixture.client.applicationProtocols = [""]
            #expect(
                (try await handshake(fixture.client, fixture.server).client as? TLSError)?.code == .badConfiguration
            )
        }
    }

    // MARK: Pins

    @Test(
        "a pinned key is accepted, any other is refused, and a pin is a digest",
        arguments: [TLSVersion.tls12, .tls13]
    )
    func pins(version: TLSVersion) async throws {
        try await withTestLoop {
            var fixture = try TLSFixture(version: version)
            let other = [UInt8](repeating: 7, count: 32)
            let own = RawTLSPeer.keyDigest(of: fixture.server.identity)
            fixture.client.pins = [other, own]
            for _ in 0..<2 {
                // The second time the session is resumed.
                let result = try await handshake(fixture.client, fixture.server)
                #expect(result.client == nil)
            }
            fixture.client.pins = [other]
            let refused = try await handshake(fixture.client, fixture.server).client as? TLSError
            #expect(refused?.code == .pinMismatch)
            #expect(refused?.description.contains("localhost") == true)
            // Pins come on top: they do not make an untrusted certificate a good one.
            var stranger = fixture.client
            stranger.pins = [own]
            stranger.trust = .roots([try TestCertificateAuthority(name: "another").certificate])
            #expect((try await handshake(stranger, fixture.server).client as? TLSError)?.code == .untrustedCertificate)
            fixture.client.pins = [[1, 2, 3]]
            #expect(
                (try await handshake(fixture.client, fixture.server).client as? TLSError)?.code == .badConfiguration
            )
        }
    }
}
#endif
