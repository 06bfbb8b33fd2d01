extension UDPSocket {
    /// The datagrams of a socket, one after the other: `for try await datagram in socket.datagrams`.
    ///
    /// It ends when the socket is closed on this side. An error ends the loop over it and not the socket: another loop goes on.
    public struct Datagrams: AsyncSequence, Sendable {
        let socket: UDPSocket

        public func makeAsyncIterator() -> Iterator { Iterator(socket: socket) }

        /// Receives a datagram at a time.
        public struct Iterator: AsyncIteratorProtocol {
            let socket: UDPSocket

            /// The next datagram, or nil once the socket is closed: see ``UDPSocket/receive(timeout:)``.
            public mutating func next() async throws -> Datagram? {
                try await untilClosed { try await socket.receive() }
            }

            /// The next datagram, or nil once the socket is closed, received with the caller's isolation.
            public mutating func next(isolation actor: isolated (any Actor)?) async throws(any Error) -> Datagram? {
                try await untilClosed { try await socket.receive() }
            }
        }
    }

    /// What a socket that is not connected could not deliver: `for try await error in socket.errors`.
    ///
    /// It ends when the socket is closed on this side. One task asks at a time, else ``NetError`` `.busy`; on a connected socket, whose calls
    /// throw what they are told, it is `.invalidArgument`.
    public struct Errors: AsyncSequence, Sendable {
        let socket: UDPSocket

        public func makeAsyncIterator() -> Iterator { Iterator(socket: socket) }

        /// Waits for a report at a time.
        public struct Iterator: AsyncIteratorProtocol {
            let socket: UDPSocket

            /// The next report, or nil once the socket is closed.
            ///
            /// Cancel safety: no report is lost; the next call gets it.
            public mutating func next() async throws -> DeliveryError? {
                try await untilClosed { try await socket.nextError() }
            }

            /// The next report, or nil once the socket is closed, awaited with the caller's isolation.
            public mutating func next(isolation actor: isolated (any Actor)?) async throws(any Error) -> DeliveryError?
            {
                try await untilClosed { try await socket.nextError() }
            }
        }
    }
}

private func untilClosed<Success>(_ body: () async throws -> Success) async throws -> Success? {
    do {
        return try await body()
    } catch let error as NetError where error.code == .closed {
        return nil
    }
}
