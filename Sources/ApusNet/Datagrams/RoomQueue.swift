package import ApusRuntime

/// Tasks that wait for room on one descriptor, one after the other: a descriptor has a place for one of them. Loop thread only.
package final class RoomQueue {
    private let loop: EventLoop
    private let descriptor: Descriptor
    /// A slot for each task behind the one that waits for the descriptor itself.
    private var places: [Descriptor] = []

    package init(for descriptor: Descriptor, on loop: EventLoop) {
        self.loop = loop
        self.descriptor = descriptor
    }

    /// Tasks behind the first.
    package var count: Int { places.count }

    /// Waits until it is worth trying again. Whoever has waited calls ``passOn()`` after its attempt, whatever came of it.
    package func wait(deadline: Int64) async throws(LoopError) -> WaitOutcome {
        let outcome = await descriptor.wait(toRead: false, deadline: deadline)
        guard outcome == .busy else { return outcome }
        let place = try loop.register(-1)
        let token = place.token
        places.append(place)
        defer {
            places.removeAll { $0.token == token }
            place.release()
        }
        return await place.wait(toRead: true, deadline: deadline)
    }

    /// Lets the next task try.
    package func passOn() {
        // Latched, for a task that has not begun to wait.
        if !places.isEmpty { places.removeFirst().signal(.readable) }
    }

    /// Lets all of them see that there is nothing to wait for any more.
    package func end() {
        for place in places { place.signal(.readable) }
        places = []
    }
}

extension Descriptor {
    /// Waits with a cancellation handler of this wait's own, which costs about 1,650 instructions.
    func wait(toRead: Bool, deadline: Int64) async -> WaitOutcome {
        let (loop, token) = (loop, token)
        return await withTaskCancellationHandler {
            toRead ? await waitReadable(deadline: deadline) : await waitWritable(deadline: deadline)
        } onCancel: {
            loop.perform { loop.endWaits(token, with: .cancelled, reading: toRead, writing: !toRead) }
        }
    }
}
