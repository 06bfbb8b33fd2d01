import ApusNet
import ApusRuntime
import Logging

/// The loop's side of a server: its listener and its connections. Loop thread only.
final class ServerCore {
    let configuration: HTTPServer.Configuration
    let handler: HTTPServer.Handler
    let tls: TLSServerContext?
    let keepAliveNanoseconds: Int64
    @exclusivity(unchecked) var prepared = PreparedLines()
    private let listener: ListenerHandle
    private(set) var connections: [ObjectIdentifier: ServerConnection] = [:]
    private(set) var isShuttingDown = false
    private var roomWaiter: AsyncSignal?
    private var emptyWaiters: [AsyncSignal] = []

    /// - Throws: ``TLSError`` for a certificate that cannot be used, instead of at each connection.
    init(
        listener: ListenerHandle,
        configuration: HTTPServer.Configuration,
        handler: @escaping HTTPServer.Handler
    ) throws {
        tls = try configuration.tlsContext ?? configuration.tls.map { tls in try TLSServerContext(tls) }
        self.listener = listener
        keepAliveNanoseconds = max(0, configuration.keepAliveTimeout.clampedNanoseconds)
        self.configuration = configuration
        self.handler = handler
    }

    /// Accepts until the listener is closed or the task is cancelled.
    func accept() async throws {
        let loop = listener.loop
        while !isShuttingDown {
            if connections.count >= max(1, configuration.connectionLimit) {
                let signal = AsyncSignal()
                roomWaiter = signal
                await signal.wait(on: loop)
                try Task.checkCancellation()
                continue
            }
            adopt(try await listener.acceptTransport(), on: loop)
            await loop.yieldIfSliceIsOver()
        }
    }

    /// Serves a connection, in a task of its own.
    func adopt(_ transport: any Transport, on loop: EventLoop) {
        let connection = ServerConnection(transport, core: self, on: loop)
        connections[ObjectIdentifier(connection)] = connection
        let bound = LoopBound(connection, on: loop)
        loop.startDetached {
            withUnsafeCurrentTask { bound.value.task = $0 }
            await withTaskCancellationHandler {
                await bound.value.serve()
            } onCancel: {
                bound.perform { $0.cancel() }
            }
            bound.value.task = nil
            bound.value.core.ended(bound.value)
        }
    }

    private func ended(_ connection: ServerConnection) {
        connection.close()
        connections[ObjectIdentifier(connection)] = nil
        roomWaiter?.fire()
        roomWaiter = nil
        if connections.isEmpty {
            for waiter in emptyWaiters { waiter.fire() }
            emptyWaiters = []
        }
    }

    func shutDown() async {
        await listener.close()
        isShuttingDown = true
        roomWaiter?.fire()
        for connection in connections.values { connection.closeWhenIdle() }
        guard !connections.isEmpty else { return }
        let loop = listener.loop
        let signal = AsyncSignal()
        emptyWaiters.append(signal)
        let bound = LoopBound(self, on: loop)
        let timer = loop.schedule(after: configuration.shutdownTimeout) {
            for connection in bound.value.connections.values { connection.abort() }
        }
        await signal.wait(on: loop)
        timer.cancel()
    }
}
