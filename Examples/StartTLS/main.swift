// STARTTLS: a conversation that begins in plain text and goes on encrypted, as in SMTP, IMAP, XMPP and PostgreSQL.
//
//     swift run StartTLS
import Apus
import ApusTesting

#if TLS
/// A mail server that knows four words.
@Sendable
nonisolated func converse(_ stream: TCPStream, _ identity: TLSConfiguration.Identity) async throws {
    try await stream.write("220 mail.example ready\r\n")
    var reader = BufferedReader(stream)
    while let line = try await reader.readLine(timeout: .seconds(60)) {
        switch line.uppercased() {
        case "EHLO":
            let isSecure = await stream.tlsInfo != nil
            try await stream.write(isSecure ? "250 AUTH\r\n" : "250 STARTTLS\r\n")
        case "STARTTLS":
            try await stream.write("220 go ahead\r\n")
            // What was read ahead belongs to the handshake: nothing that was said in plain text counts afterwards.
            let readAhead = reader.takeBuffered()
            try await stream.startTLS(server: TLSServerConfiguration(identity: identity), readAhead: readAhead)
            reader = BufferedReader(stream)
        case "QUIT":
            return try await stream.write("221 bye\r\n")
        default:
            try await stream.write("500 what?\r\n")
        }
    }
}

try EventLoop.run {
    // In real life these are files: a certificate for the server, and the roots that the client trusts.
    let authority = try TestCertificateAuthority()
    let identity = try authority.issue(names: ["mail.example"])
    let listener = try await TCPListener.bind(host: "127.0.0.1", port: 0)
    let server = EventLoop.spawn(name: "mail server") {
        try await listener.serve { stream in try await converse(stream, identity) }
    }

    let stream = try await TCPStream.connect(to: listener.address)
    var reader = BufferedReader(stream)
    func say(_ line: String) async throws {
        try await stream.write(line + "\r\n")
        print("C:", line)
        print("S:", try await reader.readLine() ?? "the end")
    }
    print("S:", try await reader.readLine() ?? "the end")
    try await say("EHLO")
    try await say("STARTTLS")
    var configuration = TLSConfiguration()
    configuration.trust = .roots([authority.certificate])
    try await stream.startTLS(host: "mail.example", configuration: configuration, readAhead: reader.takeBuffered())
    reader = BufferedReader(stream)
    print("now", await stream.tlsInfo?.version ?? "in plain text")
    try await say("EHLO")
    try await say("QUIT")
    await stream.close()
    await listener.shutdown()
    try await server.value
}
#else
print("This build of Apus has no TLS: build it with the package trait TLS, its default.")
#endif
