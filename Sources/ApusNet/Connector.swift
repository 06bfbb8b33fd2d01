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
        if isConnected { return transport }
        do {
            let token = transport.descriptor.token
            let outcome = await withTaskCancellationHandler {
                await transport.descriptor.waitWritable(deadline: deadline)
            } onCancel: {
                loop.perform { loop.endWaits(token, with: .cancelled) }
            }
            switch outcome {
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

    // MARK: Happy eyeballs

    /// RFC 8305 §4: one of each family in turn, beginning with the family that the system prefers.
    static func interleaved(_ addresses: [SocketAddress]) -> [SocketAddress] {
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

    private enum Event: Sendable {
        case connected(LoopBound<any Transport>)
        case failed(SocketAddress, any Error)
        /// The attempt with this number has had its time alone.
        case elapsed(Int)
    }

    private static func race(
        _ addresses: [SocketAddress],
        host: String,
        on loop: EventLoop,
        deadline: Int64,
        options: SocketOptions
    ) async throws -> any Transport {
        let outcome = await withTaskGroup(of: Event.self) { group -> Result<LoopBound<any Transport>, any Error> in
            var begun = 0
            var running = 0
            var failures: [(SocketAddress, any Error)] = []
            var winner: LoopBound<any Transport>?

            func begin() {
                guard begun < addresses.count else { return }
                let address = addresses[begun]
                begun += 1
                running += 1
                let number = begun
                group.addTask {
                    do {
                        let transport = try await connect(to: address, on: loop, deadline: deadline, options: options)
                        return .connected(LoopBound(transport, on: loop))
                    } catch {
                        return .failed(address, error)
                    }
                }
                guard begun < addresses.count else { return }
                group.addTask {
                    try? await sleep(for: options.attemptDelay)
                    return .elapsed(number)
                }
            }

            begin()
            while running > 0, let event = await group.next() {
                switch event {
                case .connected(let transport):
                    running -= 1
                    // Two may win in the same turn of the loop: the first counts.
                    if winner == nil { winner = transport } else { transport.value.close() }
                    group.cancelAll()
                case .failed(let address, let error):
                    running -= 1
                    failures.append((address, error))
                    if winner == nil, !Task.isCancelled { begin() }
                case .elapsed(let number):
                    if winner == nil, number == begun, !Task.isCancelled { begin() }
                }
            }
            group.cancelAll()
            if let winner { return .success(winner) }
            return .failure(Task.isCancelled ? CancellationError() : summary(failures, host: host))
        }
        return try outcome.get().value
    }

    /// One error for all: a deadline if that is what ended the last attempt, else the kind of the last failure.
    private static func summary(_ failures: [(SocketAddress, any Error)], host: String) -> any Error {
        if let timeout = failures.last(where: { ($0.1 as? NetError)?.isTimeout == true }) { return timeout.1 }
        guard let last = failures.last?.1 as? NetError else {
            return failures.last?.1 ?? NetError(.unknownHost, "“\(host)” has no addresses.")
        }
        let list = failures.map { "\($0.1)" }
        let shown = list.prefix(4).joined(separator: " ") + (list.count > 4 ? " And \(list.count - 4) more." : "")
        return NetError(last.code, "None of the \(failures.count) addresses of “\(host)” could be reached. \(shown)")
    }
}
