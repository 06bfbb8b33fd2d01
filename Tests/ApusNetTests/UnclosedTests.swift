import ApusNet
import ApusRuntime
import Logging
import Synchronization
import Testing

/// The warnings of a loop in debug mode, or not.
private func warnings(
    debug: Bool = true,
    _ body: @escaping @Sendable () async throws -> Void
) async throws -> [String] {
    let log = LogRecorder()
    var options = EventLoop.Options()
    options.debug = debug
    options.blockThreshold = .seconds(3600)
    options.logger = log.logger
    try await EventLoop.with(options, body)
    return log.texts(.warning)
}

@Suite("What is dropped unclosed: A56")
struct UnclosedTests {
    @Test("A56: streams, listeners and sockets that are dropped are told once each, with the line that made them")
    func dropped() async throws {
        let lines = try await warnings {
            let listener = try await TCPListener.bind(host: "127.0.0.1", port: 0)
            do {
                async let accepting = listener.accept()
                let client = try await TCPStream.connect(to: listener.address)
                await (try accepting).close()
                _ = client
            }
            do { _ = try await TCPListener.bind(host: "127.0.0.1", port: 0) }
            do { _ = try await UDPSocket.bind(host: "127.0.0.1", port: 0) }
            await listener.close()
            for _ in 0..<5 { await turn() }
        }
        #expect(lines.count == 3, "\(lines)")
        #expect(
            lines.allSatisfy { $0.contains("was dropped without close()") && $0.contains("UnclosedTests.swift:") },
            "\(lines)"
        )
        #expect(lines.contains { $0.hasPrefix("A stream to 127.0.0.1:") })
        #expect(lines.contains { $0.hasPrefix("The listener on 127.0.0.1:") })
        #expect(lines.contains { $0.hasPrefix("The UDP socket 127.0.0.1:") })
    }

    @Test(
        "A56: what was closed is not told; nor a stream that a listener serves, which closes it; nor anything out of debug mode"
    )
    func quiet() async throws {
        let lines = try await warnings {
            let (client, server) = try await TCPStream.testPair()
            await client.close()
            await server.close()
            let listener = try await TCPListener.bind(host: "127.0.0.1", port: 0)
            async let serving: Void = listener.serve { stream in try await stream.write("hello") }
            let stream = try await TCPStream.connect(to: listener.address)
            _ = try await stream.read(exactly: 5)
            await stream.close()
            await listener.close()
            try await serving
            for _ in 0..<5 { await turn() }
        }
        #expect(lines == [])
        let off = try await warnings(debug: false) {
            do { _ = try await UDPSocket.bind(host: "127.0.0.1", port: 0) }
            for _ in 0..<5 { await turn() }
        }
        #expect(off == [])
    }

    @Test(
        "a listener's handler that throws is told the exception handler, with the connection's descriptor; its task was named"
    )
    func handlerError() async throws {
        let reports = ReportRecorder()
        var options = EventLoop.Options()
        options.name = "serving"
        options.debug = true
        options.blockThreshold = .seconds(3600)
        options.exceptionHandler = { reports.note($0) }
        let names = try await EventLoop.with(options) {
            let listener = try await TCPListener.bind(host: "127.0.0.1", port: 0)
            let loop = listener.eventLoop
            async let serving: Void = listener.serve { stream in
                _ = try await stream.read(exactly: 1)
                throw NetError(.invalidArgument, "of a test")
            }
            let stream = try await TCPStream.connect(to: listener.address)
            await until { await listener.connectionCount > 0 }
            await turn()
            let names = try await loop.tasks().compactMap(\.name)
            try await stream.write("x")
            _ = try await stream.read()
            await stream.close()
            await listener.close()
            try await serving
            return names
        }
        #expect(names.contains { $0.hasPrefix("127.0.0.1:") && $0.contains(": connection of 127.0.0.1:") }, "\(names)")
        let report = try #require(reports.all.first)
        #expect(reports.all.count == 1)
        #expect((report.fileDescriptor ?? -1) >= 0)
        #expect(report.loop == "serving")
        #expect((report.error as? NetError)?.code == .invalidArgument)
        #expect("\(report)".contains("The handler of the connection of 127.0.0.1:"))
        #expect("\(report)".contains("Catch it in the handler."))
    }
}

/// Notes what is reported, from any thread.
private final class ReportRecorder: Sendable {
    private let reports = Mutex<[UnhandledError]>([])

    var all: [UnhandledError] { reports.withLock { $0 } }

    func note(_ report: UnhandledError) { reports.withLock { $0.append(report) } }
}
