package import ApusRuntime

/// TLS over another transport: a transport itself, so that TLS inside TLS works too. Loop thread only.
package final class TLSTransport: Transport {
    private let lower: any Transport
    private let engine: any TLSEngine
    package let descriptor: Descriptor

    private init(_ lower: any Transport, _ engine: any TLSEngine) {
        self.lower = lower
        self.engine = engine
        descriptor = lower.descriptor
    }

    /// Shakes hands as a client.
    ///
    /// - Parameter deadline: nanoseconds of the loop's clock, `Int64.max` for none.
    /// - Throws: ``TLSError``; ``NetError``; `CancellationError` when the wait was ended by ``Descriptor/endWaits(_:)`` or the task was
    ///   cancelled. `lower` is closed then.
    package static func connect(
        over lower: any Transport,
        host: String,
        configuration: TLSConfiguration,
        deadline: Int64
    ) async throws -> TLSTransport {
        try await start(lower, deadline, peer: host) { try TLSEngines.client(over: lower, host: host, configuration) }
    }

    /// Shakes hands as a server: see ``connect(over:host:configuration:deadline:)``.
    package static func accept(
        over lower: any Transport,
        configuration: TLSServerConfiguration,
        deadline: Int64
    ) async throws -> TLSTransport {
        let peer = lower.remoteAddress?.description ?? "the client"
        return try await start(lower, deadline, peer: peer) { try TLSEngines.server(over: lower, configuration) }
    }

    private static func start(
        _ lower: any Transport,
        _ deadline: Int64,
        peer: String,
        _ makeEngine: () throws -> any TLSEngine
    ) async throws -> TLSTransport {
        do {
            let transport = TLSTransport(lower, try makeEngine())
            let loop = lower.descriptor.loop
            let token = lower.descriptor.token
            try await withTaskCancellationHandler {
                try await transport.shakeHands(deadline, peer: peer)
            } onCancel: {
                loop.perform { loop.endWaits(token, with: .cancelled) }
            }
            return transport
        } catch {
            lower.close()
            throw error
        }
    }

    private func shakeHands(_ deadline: Int64, peer: String) async throws {
        while true {
            let outcome: WaitOutcome
            switch try engine.handshake() {
            case .done: return notePending()
            case .wantsRead: outcome = await descriptor.waitReadable(deadline: deadline)
            case .wantsWrite: outcome = await descriptor.waitWritable(deadline: deadline)
            }
            switch outcome {
            case .ready: continue
            case .timedOut: throw TLSError(.timedOut, "The TLS handshake with \(peer) took longer than was allowed.")
            case .cancelled: throw CancellationError()
            case .closed, .busy: throw NetError(.closed, "The connection was closed during the TLS handshake.")
            }
        }
    }

    /// What was agreed on.
    package var info: TLSInfo { engine.info }

    package func receive(into buffer: UnsafeMutableRawBufferPointer) throws(NetError) -> Int? {
        do throws(TLSError) {
            guard let count = try engine.read(into: buffer) else { return nil }
            notePending()
            return count
        } catch {
            let code: NetError.Code = error.code == .truncated ? .unexpectedEnd : .connectionReset
            throw NetError(code, error.description)
        }
    }

    package func send(_ bytes: UnsafeRawBufferPointer) throws(NetError) -> Int? {
        do throws(TLSError) {
            return try engine.write(bytes)
        } catch {
            throw NetError(.brokenPipe, error.description)
        }
    }

    /// The system's descriptor knows nothing of what OpenSSL has read ahead. Only after a read that found something: the rest may be
    /// a part of a record, and the read that finds nothing has asked the transport, which then waits as usual.
    private func notePending() {
        if engine.hasPending { descriptor.noteReadable() }
    }

    package func finishSending() {
        engine.closeNotify()
        lower.finishSending()
    }

    package func close() {
        engine.closeNotify()
        lower.close()
    }

    package func abort() { lower.abort() }

    package var remoteAddress: SocketAddress? { lower.remoteAddress }
    package var localAddress: SocketAddress? { lower.localAddress }
}
