import ApusHTTPClient
import ApusNet
import ApusRuntime
import ApusTesting
import Synchronization
import Testing

/// A complete response that keeps its connection.
let okResponse = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

/// A URL that no resolver is asked about: scripted sessions connect wherever their peer is.
let someURL = "http://script.test/path"

/// Runs `body` on virtual time with a session whose nth connection plays the nth script, and checks afterwards that no place in
/// the pool, no connection, timer or task is left.
func withScripts(
    _ scripts: [ScriptStep]...,
    configuration: ClientSession.Configuration = .init(),
    sourceLocation: SourceLocation = #_sourceLocation,
    _ body: @escaping @Sendable (ClientSession, ScriptedPeer) async throws -> Void
) async throws {
    try await withScripts(
        configuration: configuration,
        sourceLocation: sourceLocation,
        script: { $0 < scripts.count ? scripts[$0] : [.refuse] },
        body
    )
}

func withScripts(
    configuration: ClientSession.Configuration = .init(),
    sourceLocation: SourceLocation = #_sourceLocation,
    script: @escaping @Sendable (Int) -> [ScriptStep],
    _ body: @escaping @Sendable (ClientSession, ScriptedPeer) async throws -> Void
) async throws {
    try await withVirtualTime {
        let peer = ScriptedPeer(script)
        let left = try await leaks {
            let session = ClientSession.scripted(peer, configuration)
            try await body(session, peer)
            let used = await session.statistics
            #expect(
                used.open == used.idle && used.waiting == 0,
                "places are taken: \(used)",
                sourceLocation: sourceLocation
            )
            await session.close()
            let closed = await session.statistics
            #expect((closed.open, closed.idle, closed.waiting) == (0, 0, 0), sourceLocation: sourceLocation)
        }
        #expect(left.isEmpty, "\(left)", sourceLocation: sourceLocation)
        #expect(peer.open == 0, "a connection was not closed", sourceLocation: sourceLocation)
        #expect(peer.failures == [], sourceLocation: sourceLocation)
    }
}

/// The error that `body` throws, which has to be a ``ClientError``.
func clientError<Success>(
    sourceLocation: SourceLocation = #_sourceLocation,
    _ body: () async throws -> Success
) async -> ClientError? {
    do {
        _ = try await body()
        Issue.record("no error", sourceLocation: sourceLocation)
    } catch let error as ClientError {
        return error
    } catch {
        Issue.record("not a ClientError: \(error)", sourceLocation: sourceLocation)
    }
    return nil
}

/// Fetches ``someURL``, and expects ``okResponse``.
func expectOK(_ session: ClientSession, sourceLocation: SourceLocation = #_sourceLocation) async throws {
    let text = try await session.get(someURL).text()
    #expect(text == "ok", sourceLocation: sourceLocation)
}

/// A task that a script can cancel although it starts before the task exists.
final class Canceller: Sendable {
    private let action = Mutex<(@Sendable () -> Void)?>(nil)

    func arm(_ body: @escaping @Sendable () -> Void) { action.withLock { $0 = body } }

    /// As a script's step.
    var step: ScriptStep { .perform { self.fire() } }

    func fire() { action.withLock { $0 }?() }
}

/// Something that a closure can say.
final class Flag: Sendable {
    private let state = Atomic(false)

    func raise() { state.store(true, ordering: .sequentiallyConsistent) }
    var isRaised: Bool { state.load(ordering: .sequentiallyConsistent) }
}
