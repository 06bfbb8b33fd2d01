package import ApusRuntime
import Glibc

/// Opens connections. Loop thread only.
package enum Connector {
    /// Connects to the first of `addresses` that answers: happy eyeballs (RFC 8305).
    ///
    /// The families take turns (§4), each attempt has ``SocketOptions/attemptDelay`` before the next begins beside it (§5), and what else has connected
    /// when one wins is closed.
    ///
    /// - Parameters:
    ///   - deadline: of the whole, in nanoseconds of the loop's clock; `Int64.max` for none.
    /// - Throws: ``NetError``: that of the only address, or one that names each address and why it failed; `.timedOut`.
    ///   `CancellationError`.
    ///
    /// Cancel safety: closes the sockets.
    package static func connect(
        toAny addresses: [SocketAddress],
        host: String,
        on loop: EventLoop,
        deadline: Int64,
        options: SocketOptions = SocketOptions()
    ) async throws -> any Transport {
        guard let first = addresses.first else { throw NetError(.unknownHost, "“\(host)” has no addresses.") }
        if addresses.count == 1 { return try await connect(to: first, on: loop, deadline: deadline, options: options) }
        return try await race(interleaved(addresses), host: host, on: loop, deadline: deadline, options: options)
    }

    /// Connects to one address.
    ///
    /// - Throws: ``NetError``, `CancellationError`.
    ///
    /// Cancel safety: closes the socket.
    package static func connect(
        to address: SocketAddress,
        on loop: EventLoop,
        deadline: Int64,
        options: SocketOptions = SocketOptions()
    ) async throws -> any Transport {
        let fd = try Socket.make(family: address.family)
        let isConnected: Bool
        do {
            try Socket.apply(options, to: fd, family: address.family)
            // Before the registration: epoll reports HUP for a TCP socket that has not begun to connect.
            isConnected = try Socket.connect(fd, to: address)
        } catch {
            Socket.close(fd)
            throw error
        }
        let transport = try SocketTransport(adopting: fd, peer: address, on: loop)
        if isConnected {
            transport.tellOpened("Made")
            return transport
        }
        do {
            let descriptor = transport.descriptor
            let outcome = await withCancellationTarget(ConnectingWait(loop, descriptor.token)) {
                await descriptor.waitWritable(deadline: deadline)
            }
            switch outcome {
            case .ready: break
            case .timedOut: throw NetError(.timedOut, "Connecting to \(address) took longer than was allowed.")
            case .cancelled: throw CancellationError()
            case .closed, .busy: throw NetError(.closed, "Connecting to \(address) was given up: the loop was closed.")
            }
            let error = Socket.pendingError(fd)
            if error != 0 { throw NetError(errno: error, while: "Connecting to \(address)", at: address) }
            transport.tellOpened("Made")
            return transport
        } catch {
            transport.close()
            throw error
        }
    }

    // MARK: Happy eyeballs

    /// RFC 8305 §4: one of each family in turn, beginning with the family that the system prefers.
    package static func interleaved(_ addresses: [SocketAddress]) -> [SocketAddress] {
        guard let first = addresses.first else { return [] }
        var preferred = addresses.filter { $0.family == first.family }[...]
        var other = addresses.filter { $0.family != first.family }[...]
        var result: [SocketAddress] = []
        while !preferred.isEmpty || !other.isEmpty {
            if let next = preferred.popFirst() { result.append(next) }
            if let next = other.popFirst() { result.append(next) }
        }
        return result
    }

    private static func race(
        _ addresses: [SocketAddress],
        host: String,
        on loop: EventLoop,
        deadline: Int64,
        options: SocketOptions
    ) async throws -> any Transport {
        do {
            // Two may win in the same turn of the loop: the first counts. That an address fails where another answers is no news.
            let winner = try await staggeredRace(
                addresses,
                delay: options.attemptDelay,
                discard: { $0.value.close() },
                onFailure: { _ in }
            ) { address in
                let transport = try await connect(to: address, on: loop, deadline: deadline, options: options)
                return LoopBound(transport, on: loop)
            }
            return winner.value
        } catch let failed as AllFailedError {
            throw summary(failed.errors, host: host)
        }
    }

    /// One error for all, which tells of each; its code is that of a deadline if one has passed, else the last failure's.
    private static func summary(_ failures: [any Error], host: String) -> any Error {
        let timeout = failures.lazy.compactMap { $0 as? NetError }.last { $0.isTimeout }
        guard let last = failures.last as? NetError else {
            return failures.last ?? NetError(.unknownHost, "“\(host)” has no addresses.")
        }
        let list = failures.map { "\($0)" }
        let shown = list.prefix(4).joined(separator: " ") + (list.count > 4 ? " And \(list.count - 4) more." : "")
        return NetError(
            timeout?.code ?? last.code,
            "None of the \(failures.count) addresses of “\(host)” could be reached. \(shown)"
        )
    }
}

/// The wait for a connection, which a cancellation of its task ends.
private final class ConnectingWait: CancellationTarget {
    // unowned(unsafe): loops are never freed.
    private unowned(unsafe) let loop: EventLoop
    private let token: UInt64

    init(_ loop: EventLoop, _ token: UInt64) {
        self.loop = loop
        self.token = token
    }

    func taskCancelled() {
        let (loop, token) = (loop, token)
        loop.perform { loop.endWaits(token, with: .cancelled) }
    }
}
