import ApusRuntime
import Logging
import Testing

@testable import ApusNet

@Suite("The log of connections: A62")
struct ConnectionLogTests {
    /// What the log has of level debug, and the two ends of the connection.
    private func lines(
        debug: Bool,
        _ body: @escaping @Sendable () async throws -> [String]
    ) async throws -> (lines: [String], ends: [String]) {
        let log = LogRecorder()
        var options = EventLoop.Options()
        options.debug = debug
        options.blockThreshold = .seconds(3600)
        options.logger = log.logger
        let ends = try await EventLoop.with(options, body)
        #expect(log.everything.count == log.texts(.debug).count)
        return (log.texts(.debug), ends)
    }

    @Test(
        "A62: in debug mode connects, accepts and closes are told at level debug, once each, with both addresses; else nothing is",
        arguments: [true, false]
    )
    func connections(debug: Bool) async throws {
        let (lines, ends) = try await lines(debug: debug) {
            let listener = try await TCPListener.bind(host: "127.0.0.1", port: 0)
            async let accepting = listener.accept()
            let client = try await TCPStream.connect(to: listener.address)
            let server = try await accepting
            let ends = [client.localAddress, server.localAddress].map { $0?.description ?? "" }
            try await client.write("a secret")
            _ = try await server.read(exactly: 8)
            await client.close()
            await server.close()
            await server.close()
            await listener.close()
            return ends
        }
        guard debug else {
            #expect(lines == [])
            return
        }
        let (client, server) = (ends[0], ends[1])
        let made = "Made a connection: here \(client), there \(server), descriptor "
        let accepted = "Accepted a connection: here \(server), there \(client), descriptor "
        let closed = [
            "Closed a connection: here \(client), there \(server), descriptor ",
            "Closed a connection: here \(server), there \(client), descriptor ",
        ]
        #expect(lines.count == 4, "\(lines)")
        for beginning in [made, accepted] + closed {
            let count = lines.count { $0.hasPrefix(beginning) }
            #expect(count == 1, "\(beginning) in \(lines)")
        }
    }

    @Test("A62: a connection that fails is not told as made, nor as closed")
    func failures() async throws {
        let (lines, ends) = try await lines(debug: true) {
            let listener = try await TCPListener.bind(host: "127.0.0.1", port: 0)
            let address = listener.address
            await listener.close()
            await #expect(throws: NetError.self) { _ = try await TCPStream.connect(to: address) }
            return [address.description]
        }
        #expect(lines == [], "\(ends)")
    }
}
