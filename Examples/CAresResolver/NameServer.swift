import Apus

/// A name server on 127.0.0.1 for names under `example`, over UDP and TCP (RFC 1035).
///
/// - `one.example` and `two.example` have an address each.
/// - `large.example` has forty, which UDP cannot carry in 512 bytes: the answer there says "truncated", and the client asks again over TCP.
///   There the answer comes in two pieces, so that the client reads a part and has to wait for the rest.
/// - All others do not exist.
nonisolated struct NameServer {
    let datagrams: UDPSocket
    let listener: TCPListener

    /// Both at one port.
    static func start() async throws -> NameServer {
        for _ in 0..<100 {
            let datagrams = try await UDPSocket.bind(host: "127.0.0.1", port: 0)
            if let listener = try? await TCPListener.bind(to: datagrams.localAddress) {
                return NameServer(datagrams: datagrams, listener: listener)
            }
            await datagrams.close()
        }
        throw CAres.Failure(description: "no port is free for UDP and TCP at once")
    }

    /// Answers until it is cancelled.
    func serve() async throws {
        _ = try await gather({ try await serveDatagrams() }, { try await serveStreams() })
    }

    private func serveDatagrams() async throws {
        for try await question in datagrams.datagrams {
            print("asked over UDP:", Self.name(in: question.bytes))
            try await datagrams.send(Self.answer(to: question.bytes, longest: 512), to: question.peer)
        }
    }

    private func serveStreams() async throws {
        try await listener.serve { stream in
            let reader = BufferedReader(stream)
            while true {
                let length = try await reader.readExactly(2)
                let question = try await reader.readExactly(Int(length[0]) << 8 | Int(length[1]))
                print("asked over TCP:", Self.name(in: question))
                let answer = Self.answer(to: question, longest: 65_535)
                try await stream.write([UInt8(answer.count >> 8), UInt8(answer.count & 255)] + answer.prefix(20))
                try await sleep(for: .milliseconds(20))
                try await stream.write(Array(answer.dropFirst(20)))
            }
        }
    }

    private static func addresses(of name: String) -> [[UInt8]] {
        switch name {
        case "one.example": [[192, 0, 2, 1]]
        case "two.example": [[192, 0, 2, 2]]
        case "large.example": (1...40).map { [198, 51, 100, $0] }
        default: []
        }
    }

    /// The question behind the header of 12 bytes: labels, each after its length.
    private static func name(in message: [UInt8]) -> String {
        var labels: [String] = []
        var position = 12
        while position < message.count, message[position] > 0 {
            let end = min(message.count, position + 1 + Int(message[position]))
            labels.append(String(decoding: message[(position + 1)..<end], as: UTF8.self))
            position = end
        }
        return labels.joined(separator: ".").lowercased()
    }

    private static func answer(to message: [UInt8], longest: Int) -> [UInt8] {
        guard message.count > 12 else { return [] }
        let name = name(in: message)
        let addresses = addresses(of: name)
        let question = message[12..<min(message.count, 12 + name.utf8.count + 2 + 4)]
        let isTruncated = 12 + question.count + 16 * addresses.count > longest
        let count = isTruncated ? 0 : addresses.count
        // Response, recursion wanted and available; truncated; 3 is "no such name".
        var bytes: [UInt8] = Array(message[..<2]) + [isTruncated ? 0x83 : 0x81, addresses.isEmpty ? 0x83 : 0x80]
        bytes += [0, 1, 0, UInt8(count), 0, 0, 0, 0] + question
        for address in addresses.prefix(count) {
            bytes += [0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4] + address
        }
        return bytes
    }
}
