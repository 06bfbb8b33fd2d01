public import ApusHTTPClient
package import ApusNet
package import ApusRuntime
import Synchronization

/// A server in memory that plays a script on each connection: no socket, and time may be virtual.
///
/// ```swift
/// try await withVirtualTime {
///     let peer = ScriptedPeer([.expectRequest, .send("HTTP/1.1 200 OK\r\n"), .stall])
///     let session = ClientSession.scripted(peer)
///     … the request fails with `.headTimeout` after a virtual minute …
/// }
/// ```
public final class ScriptedPeer: Sendable {
    /// How a connection ended on the side under test.
    public enum End: Sendable, Hashable {
        /// With `close`.
        case closed
        /// With RST.
        case aborted
        /// It was forgotten without being closed: a leak.
        case dropped
    }

    private struct Connection {
        var written: [UInt8] = []
        var end: End?
        var hasFinished = false
    }

    private struct State {
        var attempts = 0
        var connections: [Connection] = []
        var failures: [String] = []
        /// Whether what ended connections have written is dropped.
        var isForgetful = false
    }

    private let state = Mutex(State())
    private let script: @Sendable (Int) -> [ScriptStep]

    /// The first connection plays the first script, and so on; connections beyond them are refused.
    public convenience init(_ scripts: [ScriptStep]...) {
        self.init { $0 < scripts.count ? scripts[$0] : [.refuse] }
    }

    /// Each connection plays what `script` returns for its number, counted from 0.
    public init(_ script: @escaping @Sendable (_ connection: Int) -> [ScriptStep]) { self.script = script }

    /// Connections made.
    public var opened: Int { state.withLock { $0.connections.count } }
    /// Connections tried, the refused ones among them.
    public var attempts: Int { state.withLock { $0.attempts } }
    /// Connections that the side under test has not closed.
    public var open: Int { state.withLock { $0.connections.count { $0.end == nil } } }
    /// Expectations that were not met.
    public var failures: [String] { state.withLock { $0.failures } }

    /// What the side under test has written on a connection, as text.
    public func written(_ connection: Int = 0) -> String {
        state.withLock { state in
            guard connection < state.connections.count else { return "" }
            return String(decoding: state.connections[connection].written, as: UTF8.self)
        }
    }

    /// How the side under test has ended a connection; nil while it is open.
    public func end(_ connection: Int = 0) -> End? {
        state.withLock { connection < $0.connections.count ? $0.connections[connection].end : nil }
    }

    /// Whether the side under test has closed its sending side.
    public func hasFinished(_ connection: Int = 0) -> Bool {
        state.withLock { connection < $0.connections.count && $0.connections[connection].hasFinished }
    }

    /// From now on ``written(_:)`` is empty for connections that have ended: for tests of so many that their bytes add up.
    public func forgetsEndedConnections() { state.withLock { $0.isForgetful = true } }

    /// Connects, as the script's first step says. On the loop's thread.
    package func connect(on loop: EventLoop) async throws -> any Transport {
        let number = state.withLock { state in
            state.attempts += 1
            return state.attempts - 1
        }
        var steps = script(number)[...]
        while let first = steps.first {
            switch first.kind {
            case .refuse: throw NetError(.connectionRefused, "Connecting to the script: refused.")
            case .neverConnect: try await sleep(for: .seconds(Int64.max))
            case .wait(let duration): try await sleep(for: duration)
            default: return try ScriptedTransport(Array(steps), Record(self), on: loop)
            }
            steps.removeFirst()
        }
        return try ScriptedTransport([], Record(self), on: loop)
    }

    /// One connection's entries.
    final class Record: Sendable {
        private let peer: ScriptedPeer
        private let number = Mutex(0)

        init(_ peer: ScriptedPeer) { self.peer = peer }

        func opened() {
            let number = peer.state.withLock { state in
                state.connections.append(Connection())
                return state.connections.count - 1
            }
            self.number.withLock { $0 = number }
        }

        private func change(_ body: (inout Connection) -> Void) {
            let number = number.withLock { $0 }
            peer.state.withLock { body(&$0.connections[number]) }
        }

        func wrote(_ bytes: Slice<UnsafeRawBufferPointer>) { change { $0.written.append(contentsOf: bytes) } }
        func ended(_ end: End) {
            let isForgetful = peer.state.withLock { $0.isForgetful }
            change {
                $0.end = end
                if isForgetful { $0.written = [] }
            }
        }
        func finished() { change { $0.hasFinished = true } }
        func failed(_ message: String) { peer.state.withLock { $0.failures.append(message) } }
    }
}

extension ClientSession {
    /// A session whose connections all lead to `peer`, whatever host a request names. It belongs to the loop of the caller.
    public static func scripted(
        _ peer: ScriptedPeer,
        _ configuration: Configuration = Configuration()
    ) -> ClientSession {
        ClientSession(configuration) { _, _, loop in try await peer.connect(on: loop) }
    }
}
