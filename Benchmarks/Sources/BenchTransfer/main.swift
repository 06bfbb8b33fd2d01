// BenchTransfer serve PORT FILE [CERTIFICATE KEY]: answers every request on a connection with FILE, over TLS if there is a certificate.
//     As an HTTP server would, so that curl can read it; one request per connection. GET /memory sends as much from an array.
// BenchTransfer fetch PORT PATH [ROOTS]: reads one such answer to its end, over TLS if there are roots.
// BenchTransfer get URL N [ROOTS]: N requests of a session, one after the other, whose bodies are read piece by piece.
// Certificate, key and roots are PEM files. The client prints one line.
import Apus
import Glibc

let arguments = CommandLine.arguments.dropFirst().map { $0 }
guard arguments.count >= 3, case let port = Int(arguments[1]) ?? 0,
    arguments[0] == "get" || (1...65_535).contains(port)
else {
    print("usage: BenchTransfer serve PORT FILE [CERTIFICATE KEY] | fetch PORT PATH [ROOTS] | get URL N [ROOTS]")
    exit(2)
}

func text(of path: String) -> String {
    guard let file = fopen(path, "r") else { fatalError("cannot open \(path)") }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    while case let byte = getc(file), byte != EOF { bytes.append(UInt8(truncatingIfNeeded: byte)) }
    return String(decoding: bytes, as: UTF8.self)
}

func serve(_ path: String, tls: TLSServerConfiguration?) throws {
    var facts = stat()
    guard stat(path, &facts) == 0 else { fatalError("no file \(path)") }
    let size = Int(facts.st_size)
    try EventLoop.run {
        let listener = try await TCPListener.bind(host: "127.0.0.1", port: port)
        let block = [UInt8](repeating: 7, count: 256 * 1024)
        try await listener.serve { stream in
            if let tls { try await stream.startTLS(server: tls) }
            let request = try await BufferedReader(stream).readUntil("\r\n\r\n")
            try await stream.write("HTTP/1.1 200 OK\r\nContent-Length: \(size)\r\nConnection: close\r\n\r\n")
            if request.starts(with: "GET /memory ".utf8) {
                var left = size
                while left > 0 {
                    let piece = min(left, block.count)
                    try await stream.write(block[..<piece])
                    left -= piece
                }
            } else {
                try await stream.sendFile(path)
            }
        }
    }
}

func fetch(_ path: String, tls: TLSConfiguration?) throws {
    let (bytes, wall) = try EventLoop.run {
        let start = ContinuousClock.now
        let stream = try await TCPStream.connect(host: "127.0.0.1", port: port, tls: tls)
        try await stream.write("GET \(path) HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        var buffer = [UInt8](repeating: 0, count: 256 * 1024)
        var total = 0
        while case let count = try await stream.read(into: &buffer), count > 0 { total += count }
        return (total, start.duration(to: .now) / .seconds(1))
    }
    print("apus: bytes=\(bytes) wall=\(wall)")
}

func get(_ url: String, times: Int, tls: TLSConfiguration?) throws {
    let (bytes, wall) = try EventLoop.run {
        let start = ContinuousClock.now
        var configuration = ClientSession.Configuration()
        if let tls { configuration.tls = tls }
        let total = try await ClientSession.with(configuration) { session in
            var total = 0
            for _ in 0..<times {
                total += try await session.get(url) { response in
                    var count = 0
                    for try await piece in response.body { count += piece.count }
                    return count
                }
            }
            return total
        }
        return (total, start.duration(to: .now) / .seconds(1))
    }
    print("apus: bytes=\(bytes) wall=\(wall)")
}

func roots() -> TLSConfiguration? {
    guard arguments.count > 3 else { return nil }
    var tls = TLSConfiguration()
    tls.trust = .roots([text(of: arguments[3])])
    return tls
}

switch arguments[0] {
case "serve":
    let tls: TLSServerConfiguration? =
        arguments.count < 5
        ? nil
        : TLSServerConfiguration(
            identity: .init(certificateChain: text(of: arguments[3]), privateKey: text(of: arguments[4]))
        )
    try serve(arguments[2], tls: tls)
case "fetch":
    try fetch(arguments[2], tls: roots())
case "get":
    try get(arguments[1], times: Int(arguments[2]) ?? 1, tls: roots())
default: fatalError("serve, fetch or get")
}
