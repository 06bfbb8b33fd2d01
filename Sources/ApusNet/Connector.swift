package import ApusRuntime
import Glibc

/// Opens connections. Loop thread only.
package enum Connector {
    /// Connects to one address.
    ///
    /// - Parameter deadline: nanoseconds of the loop's clock, `Int64.max` for none.
    /// - Throws: ``NetError``; `CancellationError` when the wait was ended by ``Descriptor/endWaits(_:)`` or the task was cancelled.
    ///
    /// Cancel safety: closes the socket.
    package static func connect(
        to address: SocketAddress,
        on loop: EventLoop,
        deadline: Int64,
        started: (Descriptor) -> Void = { _ in }
    ) async throws -> any Transport {
        let fd = try Socket.make(family: address.family)
        let isConnected: Bool
        do {
            if address.family != AF_UNIX { Socket.setNoDelay(fd) }
            // Before the registration: epoll reports HUP for a TCP socket that has not begun to connect.
            isConnected = try Socket.connect(fd, to: address)
        } catch {
            Socket.close(fd)
            throw error
        }
        let transport = try SocketTransport(adopting: fd, peer: address, on: loop)
        if isConnected { return transport }
        started(transport.descriptor)
        do {
            switch await transport.descriptor.waitWritable(deadline: deadline) {
            case .ready: break
            case .timedOut: throw NetError(.timedOut, "Connecting to \(address) took longer than was allowed.")
            case .cancelled: throw CancellationError()
            case .closed, .busy: throw NetError(.closed, "Connecting to \(address) was given up: the loop was closed.")
            }
            let error = Socket.pendingError(fd)
            if error != 0 { throw NetError(errno: error, while: "Connecting to \(address)") }
            return transport
        } catch {
            transport.close()
            throw error
        }
    }

    /// Connects to the first of `addresses` that answers, in their order.
    ///
    /// - Throws: the error of the last address; as ``connect(to:on:deadline:started:)``.
    package static func connect(
        toAny addresses: [SocketAddress],
        host: String,
        on loop: EventLoop,
        deadline: Int64,
        started: (Descriptor) -> Void = { _ in }
    ) async throws -> any Transport {
        var failure: any Error = NetError(.unknownHost, "“\(host)” has no addresses.")
        for address in addresses {
            do {
                return try await connect(to: address, on: loop, deadline: deadline, started: started)
            } catch let error as NetError where !error.isTimeout && error.code != .closed {
                failure = error
            }
        }
        throw failure
    }
}
