public import ApusNet
import ApusRuntime
import Synchronization

/// A real TCP server on 127.0.0.1 that answers each connection with a script instead of an implementation: for what only real
/// sockets do. ``ScriptedPeer`` is its likeness in memory, and usually enough.
///
/// `take` steps do nothing here: a peer that does not expect bytes does not read them, and the system's buffers fill.
public final class FaultyServer: Sendable {
    /// Where it listens.
    public let address: SocketAddress
    private let listener: TCPListener
    private let task: LoopTask<Void>
    private let accepted: Accepted

    private final class Accepted: Sendable {
        let count = Atomic(0)
    }

    private init(_ listener: TCPListener, _ task: LoopTask<Void>, _ accepted: Accepted) {
        self.listener = listener
        self.task = task
        self.accepted = accepted
        address = listener.address
    }

    /// Listens on a free port, on the loop of the caller or else on ``EventLoop/shared``.
    ///
    /// - Parameter script: what to do on each connection, by its number, counted from 0. Behind the last step the connection stays
    ///   open until the client closes it.
    /// - Throws: ``NetError``.
    ///
    /// Cancel safety: leaves no socket behind.
    public static func start(_ script: @escaping @Sendable (_ connection: Int) -> [ScriptStep]) async throws
        -> FaultyServer
    {
        let listener = try await TCPListener.bind(host: "127.0.0.1", port: 0)
        let accepted = Accepted()
        let task = listener.eventLoop.spawn(name: "FaultyServer \(listener.address)") {
            try await withThrowingDiscardingTaskGroup { group in
                while true {
                    let stream = try await listener.accept()
                    let number = accepted.count.wrappingAdd(1, ordering: .relaxed).oldValue
                    group.addTask {
                        await play(script(number), on: stream)
                        await stream.close()
                    }
                }
            }
        }
        return FaultyServer(listener, task, accepted)
    }

    /// `http://127.0.0.1:port`.
    public var url: String { "http://\(address)" }

    /// Connections accepted so far.
    public var connections: Int { accepted.count.load(ordering: .relaxed) }

    /// Stops listening and closes every connection. Safe twice.
    public func stop() async {
        task.cancel()
        await listener.close()
        _ = await task.result
    }

    /// Plays a script on a stream, and then reads until the other side closes.
    private static func play(_ script: [ScriptStep], on stream: TCPStream) async {
        var buffer: [UInt8] = []
        do {
            for step in script {
                switch step.kind {
                case .expect(let bytes):
                    while buffer.count < bytes.count { guard try await more(stream, &buffer) else { return } }
                    guard buffer.starts(with: bytes) else { return await stream.abort() }
                    buffer.removeFirst(bytes.count)
                case .expectCount(let count):
                    while buffer.count < count { guard try await more(stream, &buffer) else { return } }
                    buffer.removeFirst(count)
                case .expectHead, .expectRequest:
                    var isHead = false
                    if case .expectHead = step.kind { isHead = true }
                    var count = ScriptStep.messageLength(buffer, headOnly: isHead)
                    while count == nil {
                        guard try await more(stream, &buffer) else { return }
                        count = ScriptStep.messageLength(buffer, headOnly: isHead)
                    }
                    buffer.removeFirst(count ?? 0)
                case .send(let bytes, let piece, let interval):
                    var rest = bytes[...]
                    while !rest.isEmpty {
                        let next = rest.prefix(piece <= 0 ? rest.count : piece)
                        rest = rest.dropFirst(next.count)
                        try await stream.write(Array(next))
                        if interval > .zero { try await sleep(for: interval) } else { await Task.yield() }
                    }
                case .wait(let duration): try await sleep(for: duration)
                case .stall, .neverConnect:
                    while try await more(stream, &buffer) { buffer = [] }
                    return
                case .finish: await stream.finishWriting()
                case .reset, .refuse: return await stream.abort()
                case .take: break
                case .perform(let body): body()
                }
            }
            while try await more(stream, &buffer) { buffer = [] }
        } catch {
            // The client has gone, or the server is being stopped.
        }
    }

    private static func more(_ stream: TCPStream, _ buffer: inout [UInt8]) async throws -> Bool {
        let bytes = try await stream.read()
        buffer.append(contentsOf: bytes)
        return !bytes.isEmpty
    }
}
