import ApusRuntime
import ApusTesting
import CApus
import Glibc
import Testing

/// Two ends, non-blocking: the first is for reading, the second for writing.
private struct Pipe: Sendable {
    let reading: Int32
    let writing: Int32

    init() throws {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { throw Oops(number: Int(errno)) }
        for end in ends { _ = fcntl(end, F_SETFL, O_NONBLOCK) }
        (reading, writing) = (ends[0], ends[1])
    }

    func write(_ bytes: String) { _ = Glibc.write(writing, bytes, bytes.utf8.count) }

    func read(_ count: Int) -> Int {
        withUnsafeTemporaryAllocation(byteCount: count, alignment: 1) { buffer in
            let result = Glibc.read(reading, buffer.baseAddress, count)
            return result < 0 ? -Int(errno) : result
        }
    }

    /// Writes until the pipe takes no more.
    func fill() {
        let bytes = [UInt8](repeating: 0, count: 65_536)
        while Glibc.write(writing, bytes, bytes.count) > 0 {}
    }

    func close() {
        Glibc.close(reading)
        Glibc.close(writing)
    }
}

/// The code of the ``LoopError`` that `body` throws, or nil.
private func refusal<Success>(_ body: () async throws -> Success) async -> LoopError.Code? {
    do {
        _ = try await body()
        return nil
    } catch {
        return (error as? LoopError)?.code
    }
}

@Suite("IOHandle")
struct IOHandleTests {
    /// Runs `body` with a pipe and a handle for its reading end, on a loop where nothing may be left.
    private func withPipe(_ body: @escaping @Sendable (Pipe, IOHandle) async throws -> Void) async throws {
        try await onCleanLoop(.monotonic) {
            let pipe = try Pipe()
            defer { pipe.close() }
            let handle = try IOHandle(pipe.reading)
            defer { handle.close() }
            try await body(pipe, handle)
        }
    }

    @Test("readable waits for bytes, and says it again as long as some are left: a library may read only a part")
    func partialRead() async throws {
        try await withPipe { pipe, handle in
            let waiting = handle.loop.spawn { try await handle.readable() }
            await turns()
            pipe.write("abc")
            try await waiting.value
            for _ in 0..<3 {
                try await handle.readable()
                #expect(pipe.read(1) == 1)
            }
            #expect(pipe.read(1) == -Int(EAGAIN))
            let again = handle.loop.spawn { try await handle.readable() }
            await turns()
            pipe.write("d")
            try await again.value
            #expect(pipe.read(9) == 1)
        }
    }

    @Test("writable waits until a full pipe takes something")
    func writable() async throws {
        try await withPipe { pipe, _ in
            let handle = try IOHandle(pipe.writing)
            defer { handle.close() }
            try await handle.writable()
            try await handle.writable()
            pipe.fill()
            let waiting = handle.loop.spawn { try await handle.writable() }
            await turns()
            while pipe.read(65_536) > 0 {}
            try await waiting.value
        }
    }

    @Test("an eventfd is readable while its count is not zero, and always writable")
    func eventDescriptor() async throws {
        try await onCleanLoop(.monotonic) {
            let fd = eventfd(0, Int32(EFD_NONBLOCK | EFD_CLOEXEC))
            defer { close(fd) }
            let handle = try IOHandle(fd)
            try await handle.writable()
            let waiting = handle.loop.spawn { try await handle.readable() }
            try await offload { _ = eventfd_write(fd, 2) }
            try await waiting.value
            try await handle.readable()
            handle.close()
        }
    }

    @Test("both directions are waited for at once, and one's event does not lose the other's")
    func bothDirections() async throws {
        try await onCleanLoop(.monotonic) {
            let pair = try SocketPair()
            defer { pair.close() }
            let bytes = [UInt8](repeating: 0, count: 65_536)
            while send(pair.near, bytes, bytes.count, Int32(MSG_NOSIGNAL)) > 0 {}
            let handle = try IOHandle(pair.near)
            defer { handle.close() }
            let order = Recorder<String>()
            let reader = handle.loop.spawn {
                try await handle.readable()
                order.note("read")
            }
            let writer = handle.loop.spawn {
                try await handle.writable()
                order.note("write")
            }
            await turns()
            pair.write([1])
            try await reader.value
            await turns()
            #expect(order.all == ["read"])
            while SocketPair.read(pair.far, upTo: 65_536) > 0 {}
            try await writer.value
        }
    }

    @Test("the end of the peer makes both directions ready, each time")
    func ends() async throws {
        try await onCleanLoop(.monotonic) {
            let pair = try SocketPair()
            let handle = try IOHandle(pair.near)
            let reader = handle.loop.spawn { try await handle.readable() }
            await turns()
            close(pair.far)
            try await reader.value
            for _ in 0..<2 {
                try await handle.readable()
                try await handle.writable()
            }
            #expect(pair.read(upTo: 1) == 0)
            handle.close()
            close(pair.near)
            // An error: nobody reads the pipe any more.
            let pipe = try Pipe()
            pipe.fill()
            let writing = try IOHandle(pipe.writing)
            let writer = writing.loop.spawn { try await writing.writable() }
            await turns()
            close(pipe.reading)
            try await writer.value
            try await writing.readable()
            writing.close()
            close(pipe.writing)
        }
    }

    @Test("a second task that waits for the same is refused, and the first one goes on")
    func busy() async throws {
        try await withPipe { pipe, handle in
            let waiting = handle.loop.spawn { try await handle.readable() }
            await turns()
            let code = await refusal { try await handle.readable() }
            #expect(code == .busy)
            pipe.write("x")
            try await waiting.value
        }
    }

    @Test("cancelling ends the wait, before and while it lasts, and the next one works")
    func cancelled() async throws {
        try await withPipe { pipe, handle in
            for before in [true, false] {
                let waiting = handle.loop.spawn { try await handle.readable() }
                if !before { await turns() }
                waiting.cancel()
                let result = await waiting.result
                #expect(throws: CancellationError.self) { try result.get() }
            }
            pipe.write("x")
            try await handle.readable()
        }
    }

    @Test("a cancellation that comes when its wait is over does not end the next task's")
    func cancelledLate() async throws {
        // On virtual time no slice is over while a callback waits for another thread.
        try await onCleanLoop(.virtual) {
            let pipe = try Pipe()
            defer { pipe.close() }
            let handle = try IOHandle(pipe.reading)
            defer { handle.close() }
            let loop = handle.loop
            let first = loop.spawn {
                try await handle.readable()
                _ = pipe.read(1)
            }
            await turns()
            let (go, done) = (Gate(), Gate())
            let canceller = loop.spawn {
                try await offload {
                    go.pass()
                    first.cancel()
                    done.open()
                }
            }
            await turns()
            let second = Recorder<LoopTask<Void>>()
            pipe.write("x")
            // A timer fires after the events of the same pass: the first task is resumed, and has not run yet. The cancellation of its
            // wait reaches the inbox now, and is read when the second task waits.
            loop.schedule(after: .zero) {
                go.open()
                done.pass()
                second.note(loop.spawn { try await handle.readable() })
            }
            try await first.value
            try await canceller.value
            await turns()
            pipe.write("y")
            try await second.all[0].value
        }
    }

    @Test("a timeout ends the wait; zero looks once")
    func timeout() async throws {
        try await withPipe { pipe, handle in
            for duration in [Duration.milliseconds(1), .zero, .seconds(-1), .nanoseconds(1)] {
                let error = await #expect(throws: TimeoutError.self) { try await handle.readable(timeout: duration) }
                #expect(error?.duration == duration)
            }
            pipe.write("x")
            try await handle.readable(timeout: .zero)
            try await handle.readable(timeout: .seconds(Int64.max))
        }
    }

    @Test("a descriptor that the loop watches already is refused, until its handle or stream gives it back")
    func inUse() async throws {
        try await withPipe { pipe, handle in
            let fd = pipe.reading
            let second = await refusal { try IOHandle(fd) }
            #expect(second == .descriptorInUse)
            handle.close()
            handle.close()
            let gone = await refusal { try await handle.readable() }
            #expect(gone == .descriptorClosed)
            let third = try IOHandle(fd)
            pipe.write("x")
            try await third.readable()
            third.close()
            // As a stream registers it.
            let loop = try currentLoop()
            let owned = LoopBound(try loop.register(fd), on: loop)
            let refused = await refusal { try IOHandle(fd) }
            #expect(refused == .descriptorInUse)
            owned.value.release()
            try IOHandle(fd).close()
        }
    }

    @Test("another loop may watch the same descriptor")
    func twoLoops() async throws {
        try await withPipe { pipe, handle in
            let fd = pipe.reading
            let waiting = handle.loop.spawn { try await handle.readable() }
            try await EventLoop.with {
                let other = try IOHandle(fd)
                pipe.write("x")
                try await other.readable()
                other.close()
            }
            try await waiting.value
        }
    }

    @Test("regular files are always ready, and a task that asks again and again lets others run")
    func files() async throws {
        try await onCleanLoop(.monotonic) {
            let fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC)
            defer { close(fd) }
            let handle = try IOHandle(fd)
            let other = Recorder<Int>()
            handle.loop.schedule { other.note(1) }
            while other.count == 0 {
                try await handle.readable()
                try await handle.writable()
            }
            handle.close()
        }
    }

    @Test("close ends the waits of both directions and leaves the descriptor open")
    func closeWhileWaiting() async throws {
        try await onCleanLoop(.monotonic) {
            let pair = try SocketPair()
            defer { pair.close() }
            let bytes = [UInt8](repeating: 0, count: 65_536)
            while send(pair.near, bytes, bytes.count, Int32(MSG_NOSIGNAL)) > 0 {}
            let handle = try IOHandle(pair.near)
            let tasks = [
                handle.loop.spawn { try await handle.readable() }, handle.loop.spawn { try await handle.writable() },
            ]
            await turns()
            try await offload { handle.close() }
            for task in tasks {
                let code = await refusal { try await task.value }
                #expect(code == .descriptorClosed)
            }
            #expect(fcntl(pair.near, F_GETFD) >= 0)
        }
    }

    @Test("a handle that is dropped gives the descriptor back")
    func dropped() async throws {
        try await withPipe { pipe, handle in
            handle.close()
            for _ in 0..<3 { _ = try IOHandle(pipe.reading) }
            try IOHandle(pipe.reading).close()
        }
    }

    @Test("a descriptor that was closed under its handle is an error, not a wait for ever")
    func closedUnder() async throws {
        try await onCleanLoop(.monotonic) {
            let pipe = try Pipe()
            let handle = try IOHandle(pipe.reading)
            pipe.close()
            let code = await refusal { try await handle.readable() }
            #expect(code == .descriptorClosed)
            handle.close()
        }
    }

    @Test("whoever gets the number of a descriptor that was closed under its handle is not disturbed by it")
    func numberReused() async throws {
        try await onCleanLoop(.monotonic) {
            let loop = try currentLoop()
            let pipe = try Pipe()
            let stale = try IOHandle(pipe.reading)
            let waiting = loop.spawn { try await stale.readable() }
            await turns()
            let pair = try SocketPair()
            // The far end gets the number; the pipe's own is gone.
            _ = dup2(pair.near, pipe.reading)
            let owned = LoopBound(try loop.register(pipe.reading), on: loop)
            let ended = await refusal { try await waiting.value }
            #expect(ended == .descriptorClosed)
            let refused = await refusal { try await stale.readable() }
            #expect(refused == .descriptorClosed)
            stale.close()
            pair.write([1])
            let outcome = await owned.value.waitReadable()
            #expect(outcome == .ready)
            owned.value.release()
            // The same with a handle as the next owner.
            let second = try IOHandle(pipe.reading)
            _ = dup2(pair.far, pipe.reading)
            let third = try IOHandle(pipe.reading)
            second.close()
            try await third.writable()
            third.close()
            pair.close()
            pipe.close()
        }
    }

    @Test("what is no descriptor is refused, and a thread without a loop is told the way")
    func invalid() async throws {
        try await onCleanLoop {
            let none = await refusal { try IOHandle(-1) }
            let never = await refusal { try IOHandle(1_000_000) }
            #expect(none == .invalidArgument && never == .invalidArgument)
        }
        let error = await #expect(throws: LoopError.self) { try await offload { try IOHandle(0) } }
        #expect(error?.code == .invalidArgument && error.map { "\($0)".contains("loop.call") } == true)
    }

    @Test("can be used from elsewhere: the pool, the main actor, another loop; the caller comes back")
    func elsewhere() async throws {
        try await withPipe { pipe, handle in
            pipe.write("x")
            try await Task.detached { try await handle.readable() }.value
            try await EventLoop.with {
                let own = EventLoop.current
                try await handle.readable()
                #expect(EventLoop.current === own)
            }
            let waiting = Task.detached { try await handle.readable(timeout: .seconds(3600)) }
            _ = pipe.read(1)
            waiting.cancel()
            _ = await waiting.result
        }
    }

    @Test("the loop's end ends waits from elsewhere, and later ones")
    func loopEnd() async throws {
        let pipe = try Pipe()
        defer { pipe.close() }
        let handle = try await EventLoop.with { try IOHandle(pipe.reading) }
        let code = await refusal { try await handle.readable() }
        #expect(code == .loopClosed)
        handle.close()
    }
}
