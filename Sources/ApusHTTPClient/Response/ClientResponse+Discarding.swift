import ApusRuntime
import ApusWire

extension ClientResponse {
    /// The most of a body that is read to keep its connection, in bytes: opening one costs about as much.
    private static let discardLimit = 64 * 1024
    /// How long that may take.
    private static let discardTime: Duration = .seconds(1)

    /// Reads what is left of a small body, so that its connection is free for the request that follows; gives it up if the body is
    /// large or slow.
    ///
    /// Cancel safety: the connection is given up.
    func discard() async {
        guard let stream = storage.stream else { return }
        if stream.loop.runsCurrentTask { return await discard(stream.value) }
        try? await stream.loop.hop { await self.discard(stream.value) }
    }

    private func discard(_ stream: BodyStream) async {
        if let length = head.contentLength, length > Self.discardLimit { return stream.abandon() }
        let loop = storage.exchange.core.loop
        let end = loop.deadline(after: Self.discardTime)
        stream.waits(atMost: Self.discardTime)
        var count = 0
        while count <= Self.discardLimit, loop.currentTime() < end {
            guard let piece = try? await stream.next() else { return }
            count += piece.count
        }
        stream.abandon()
    }
}
