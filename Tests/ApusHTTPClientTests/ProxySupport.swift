import ApusHTTPClient
import ApusNet
import ApusRuntime
import ApusTesting
import Synchronization
import Testing

/// What a session has dialled.
final class Dialled: Sendable {
    private let list = Mutex<[String]>([])

    var targets: [String] { list.withLock { $0 } }

    func add(_ target: StreamConnector.Target) { list.withLock { $0.append("\(target.host):\(target.port)") } }
}

/// Runs `body` on virtual time with a session whose nth connection, be it to a proxy or to a server, plays the nth script; and checks that
/// nothing is left.
func withDialled(
    _ proxy: String? = nil,
    configuration: ClientSession.Configuration = .init(),
    sourceLocation: SourceLocation = #_sourceLocation,
    script: @escaping @Sendable (Int) -> [ScriptStep],
    _ body: @escaping @Sendable (ClientSession, ScriptedPeer, Dialled) async throws -> Void
) async throws {
    try await withVirtualTime {
        let peer = ScriptedPeer(script)
        let dialled = Dialled()
        var configuration = configuration
        if let proxy { configuration.proxy = try Proxy(proxy) }
        configuration.connector = StreamConnector { target in
            dialled.add(target)
            let loop = try #require(EventLoop.current)
            return TCPStream(try await peer.connect(on: loop), on: loop)
        }
        let given = configuration
        let left = try await leaks {
            let session = ClientSession(given)
            try await body(session, peer, dialled)
            let used = await session.statistics
            #expect(
                used.open == used.idle && used.waiting == 0,
                "places are taken: \(used)",
                sourceLocation: sourceLocation
            )
            await session.close()
        }
        #expect(left.isEmpty, "\(left)", sourceLocation: sourceLocation)
        #expect(peer.open == 0, "a connection was not closed", sourceLocation: sourceLocation)
        #expect(peer.failures == [], sourceLocation: sourceLocation)
    }
}

func withDialled(
    _ proxy: String? = nil,
    configuration: ClientSession.Configuration = .init(),
    sourceLocation: SourceLocation = #_sourceLocation,
    _ scripts: [ScriptStep]...,
    body: @escaping @Sendable (ClientSession, ScriptedPeer, Dialled) async throws -> Void
) async throws {
    try await withDialled(
        proxy,
        configuration: configuration,
        sourceLocation: sourceLocation,
        script: { $0 < scripts.count ? scripts[$0] : [.refuse] },
        body
    )
}
