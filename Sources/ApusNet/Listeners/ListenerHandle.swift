package import ApusRuntime

/// A ``ListenerCore`` as public listeners and servers hold it: usable from anywhere. Dropping the last reference stops listening.
package final class ListenerHandle: Sendable {
    private let bound: LoopBound<ListenerCore>
    package let loop: EventLoop

    init(_ core: ListenerCore, on loop: EventLoop) {
        bound = LoopBound(core, on: loop)
        self.loop = loop
    }

    /// Loop thread only.
    package var core: ListenerCore { bound.value }

    /// On the loop's thread, whoever drops the last reference.
    deinit { bound.perform { $0.drop() } }

    /// The next connection. Loop thread only.
    package func acceptTransport(deadline: Int64 = .max) async throws -> any Transport {
        try await core.accept(deadline: deadline)
    }

    func accept<Stream: Sendable>(
        timeout: Duration?,
        _ make: @escaping @Sendable (any Transport) -> Stream
    ) async throws -> Stream {
        try await onLoop { make(try await self.core.accept(deadline: self.loop.deadline(after: timeout))) }
    }

    func serve(limit: Int, _ handler: @escaping ListenerCore.Handler) async throws {
        guard limit > 0 else {
            throw NetError(.invalidArgument, "A listener with a limit of \(limit) connections could accept none.")
        }
        try await onLoop { try await self.core.serve(limit: limit, handler) }
    }

    func shutdown(grace: Duration?) async {
        try? await onLoop { await self.core.shutdown(grace: grace) }
    }

    func connectionCount() async -> Int {
        if loop.isCurrent { return core.connections }
        return (try? await loop.hop { self.core.connections }) ?? 0
    }

    package func close() async {
        if loop.isCurrent { return core.close() }
        try? await loop.hop { self.core.close() }
    }

    private func onLoop<Success: Sendable>(_ body: @escaping @Sendable () async throws -> Success) async throws
        -> Success
    {
        if loop.runsCurrentTask { return try await body() }
        return try await loop.hop(body)
    }
}
