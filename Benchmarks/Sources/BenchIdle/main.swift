// BenchIdle PORT [CERTIFICATE KEY]: a server whose connections wait for something to read, over TLS if there is a certificate (PEM
// files). What comes is thrown away. For memory per connection, and for handshakes.
import Apus
import Glibc

let arguments = CommandLine.arguments.dropFirst().map { $0 }
guard let port = arguments.first.flatMap({ Int($0) }), (1...65_535).contains(port) else {
    print("usage: BenchIdle PORT [CERTIFICATE KEY]")
    exit(2)
}

func text(of path: String) -> String {
    guard let file = fopen(path, "r") else { fatalError("cannot open \(path)") }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    while case let byte = getc(file), byte != EOF { bytes.append(UInt8(truncatingIfNeeded: byte)) }
    return String(decoding: bytes, as: UTF8.self)
}

let tls: TLSServerConfiguration? =
    arguments.count < 3
    ? nil
    : TLSServerConfiguration(
        identity: .init(certificateChain: text(of: arguments[1]), privateKey: text(of: arguments[2]))
    )

// One descriptor per connection: as many as we may have.
var limit = rlimit()
getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
limit.rlim_cur = limit.rlim_max
setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)

try EventLoop.run {
    var options = ListenerOptions()
    options.backlog = 8192
    let listener = try await TCPListener.bind(host: "127.0.0.1", port: port, options: options)
    try await listener.serve { stream in
        if let tls { try await stream.startTLS(server: tls) }
        while try await !stream.read().isEmpty {}
    }
}
