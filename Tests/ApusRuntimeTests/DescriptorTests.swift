import ApusTesting
import Glibc
import Testing

@testable import ApusRuntime

/// Notes what it is told.
private final class Watcher: DescriptorWatcher {
    private(set) var outcomes: [WaitOutcome] = []
    private let body: (Watcher) -> Void

    init(_ body: @escaping (Watcher) -> Void = { _ in }) { self.body = body }

    func descriptorChanged(_ outcome: WaitOutcome) {
        outcomes.append(outcome)
        body(self)
    }
}

@Suite("Descriptors")
struct DescriptorTests {
    /// Registers the near end of a new pair and runs `body`.
    private func withPair(
        _ body: @escaping @Sendable (SocketPair, LoopBound<Descriptor>) async throws -> Void
    ) async throws {
        try await onCleanLoop(.monotonic) {
            let pair = try SocketPair()
            let loop = try currentLoop()
            let descriptor = LoopBound(try loop.register(pair.near), on: loop)
            let result: Result<Void, any Error>
            do {
                result = .success(try await body(pair, descriptor))
            } catch {
                result = .failure(error)
            }
            descriptor.value.release()
            pair.close()
            try result.get()
        }
    }

    @Test("a wait ends when the peer writes, and reads what it wrote")
    func readable() async throws {
        try await withPair { pair, descriptor in
            #expect(!descriptor.value.mayRead)
            try currentLoop().schedule { pair.write([1, 2, 3]) }
            #expect(await descriptor.value.waitReadable() == .ready)
            #expect(pair.read(upTo: 10) == 3)
        }
    }

    @Test(
        "an error of a datagram socket is no end: it calls the watcher, wakes both waits once, and leaves nothing latched"
    )
    func datagramError() async throws {
        try await onCleanLoop(.monotonic) {
            let loop = try currentLoop()
            let descriptor = LoopBound(try loop.register(-1, isDatagram: true), on: loop)
            let watcher = Watcher()
            descriptor.value.watch(watcher, idleDeadline: .max)
            descriptor.value.signal([.readable, .writable])
            #expect(watcher.outcomes.isEmpty, "it hears of errors only")
            descriptor.value.readWouldBlock()
            descriptor.value.writeWouldBlock()
            async let reading = descriptor.value.waitReadable()
            async let writing = descriptor.value.waitWritable()
            loop.schedule { descriptor.value.signal([.broken, .readEnd]) }
            let outcomes = await (reading, writing)
            #expect(outcomes == (.ready, .ready))
            #expect(watcher.outcomes == [.ready])
            #expect(!descriptor.value.hasEnded)
            descriptor.value.readWouldBlock()
            #expect(!descriptor.value.mayRead)
            descriptor.value.unwatch()
            let closing = Watcher { _ in descriptor.value.release() }
            descriptor.value.watch(closing, idleDeadline: .max)
            async let last = descriptor.value.waitReadable()
            loop.schedule { descriptor.value.signal(.broken) }
            let outcome = await last
            #expect(outcome == .closed)
        }
    }

    @Test("EAGAIN clears readiness, and so does a short read; a full read does not")
    func clears() async throws {
        try await withPair { pair, descriptor in
            pair.write([1, 2, 3, 4])
            #expect(await descriptor.value.waitReadable() == .ready)
            #expect(pair.read(upTo: 2) == 2)
            descriptor.value.didRead(2, of: 2)
            #expect(descriptor.value.mayRead, "there may be more")
            #expect(pair.read(upTo: 10) == 2)
            descriptor.value.didRead(2, of: 10)
            #expect(!descriptor.value.mayRead)
            pair.write([5])
            #expect(await descriptor.value.waitReadable() == .ready)
            #expect(pair.read(upTo: 1) == 1)
            descriptor.value.didRead(1, of: 1)
            #expect(pair.read(upTo: 1) == -Int(EAGAIN))
            descriptor.value.readWouldBlock()
            #expect(!descriptor.value.mayRead)
        }
    }

    @Test("a full buffer clears writability, until the peer reads")
    func writable() async throws {
        try await withPair { pair, descriptor in
            #expect(await descriptor.value.waitWritable() == .ready)
            let bytes = [UInt8](repeating: 7, count: 65_536)
            while send(pair.near, bytes, bytes.count, Int32(MSG_NOSIGNAL)) > 0 {}
            descriptor.value.writeWouldBlock()
            #expect(!descriptor.value.mayWrite)
            try currentLoop().schedule { while SocketPair.read(pair.far, upTo: 1 << 20) > 0 {} }
            #expect(await descriptor.value.waitWritable() == .ready)
        }
    }

    @Test("body and FIN in one event, one short read: the end is found, no wait hangs", arguments: [false, true])
    func latchedEnd(peerIsGone: Bool) async throws {
        try await onCleanLoop(.monotonic) {
            let loop = try currentLoop()
            let pair = try SocketPair()
            pair.write([1, 2, 3])
            if peerIsGone { Glibc.close(pair.far) } else { pair.finishWriting() }
            // Registered now, so that both are one event.
            let descriptor = LoopBound(try loop.register(pair.near), on: loop)
            #expect(await descriptor.value.waitReadable() == .ready)
            #expect(descriptor.value.hasEnded)
            #expect(pair.read(upTo: 100) == 3)
            descriptor.value.didRead(3, of: 100)
            #expect(await descriptor.value.waitReadable() == .ready, "no other event will come: the end is latched")
            #expect(pair.read(upTo: 100) == 0)
            descriptor.value.release()
            Glibc.close(pair.near)
            if !peerIsGone { Glibc.close(pair.far) }
        }
    }

    @Test("EAGAIN clears a latched end too: a wait that sleeps needs an event, and gets one")
    func latchedEndCleared() async throws {
        try await withPair { pair, descriptor in
            descriptor.value.signal(.readEnd)
            #expect(descriptor.value.mayRead)
            #expect(pair.read(upTo: 1) == -Int(EAGAIN))
            descriptor.value.readWouldBlock()
            #expect(!descriptor.value.mayRead)
            try currentLoop().schedule { pair.finishWriting() }
            #expect(await descriptor.value.waitReadable() == .ready)
            #expect(pair.read(upTo: 1) == 0)
        }
    }

    @Test("a broken pipe ends waits for writing")
    func brokenPipe() async throws {
        try await onCleanLoop(.monotonic) {
            let loop = try currentLoop()
            var ends: [Int32] = [-1, -1]
            try #require(pipe(&ends) == 0)
            let (reading, writing) = (ends[0], ends[1])
            for end in ends { _ = fcntl(end, F_SETFL, O_NONBLOCK) }
            let descriptor = LoopBound(try loop.register(writing), on: loop)
            #expect(await descriptor.value.waitWritable() == .ready)
            let bytes = [UInt8](repeating: 7, count: 65_536)
            while write(writing, bytes, bytes.count) > 0 {}
            descriptor.value.writeWouldBlock()
            loop.schedule { close(reading) }
            #expect(await descriptor.value.waitWritable() == .ready)
            #expect(write(writing, bytes, 1) == -1 && errno == EPIPE)
            descriptor.value.release()
            close(writing)
        }
    }

    @Test("files, which epoll refuses, are always ready")
    func files() async throws {
        try await onCleanLoop(.monotonic) {
            let loop = try currentLoop()
            let file = open(#filePath, O_RDONLY | O_CLOEXEC)
            try #require(file >= 0)
            let descriptor = LoopBound(try loop.register(file), on: loop)
            for _ in 0..<3 {
                #expect(await descriptor.value.waitReadable() == .ready)
                #expect(await descriptor.value.waitWritable() == .ready)
                descriptor.value.didRead(0, of: 10)
                descriptor.value.readWouldBlock()
                descriptor.value.writeWouldBlock()
            }
            descriptor.value.release()
            close(file)
        }
    }

    @Test("an invalid descriptor is an error that names the system's, and takes no slot")
    func invalid() async throws {
        try await onCleanLoop {
            let loop = try currentLoop()
            let error = #expect(throws: LoopError.self) { _ = try loop.register(1_000_000) }
            #expect(error?.code == .systemResources)
            #expect(error?.errno == EBADF)
        }
    }

    @Test("an event of a descriptor that was closed, and whose slot and number were used again, is discarded")
    func staleEvent() async throws {
        try await onCleanLoop(.monotonic) {
            let loop = try currentLoop()
            let first = try SocketPair()
            let descriptor = try loop.register(first.near)
            let token = descriptor.token
            descriptor.release()
            let again = try loop.register(first.near)
            #expect(again.slot == descriptor.slot, "the slot is used again")
            #expect(again.token != token)
            #expect(!descriptor.isOpen && again.isOpen)
            loop.deliver(SelectorEvent(token: token, readiness: [.readable, .broken]))
            #expect(!again.mayRead && !again.hasEnded)
            descriptor.signal(.readable)
            descriptor.release()
            #expect(again.isOpen && !again.mayRead)
            loop.deliver(SelectorEvent(token: again.token, readiness: .readable))
            #expect(again.mayRead)
            again.release()
            first.close()
        }
    }

    @Test("two events in one batch: the first closes the second's descriptor and its number is used again")
    func staleEventInBatch() async throws {
        try await onCleanLoop(.monotonic) {
            try await BatchScene(loop: currentLoop()).play()
        }
    }

    @Test("in-memory slots are woken by hand")
    func inMemory() async throws {
        try await onCleanLoop {
            let loop = try currentLoop()
            let end = LoopBound(try loop.register(-1), on: loop)
            #expect(end.value.fd == -1)
            loop.schedule { end.value.signal(.readable) }
            #expect(await end.value.waitReadable() == .ready)
            end.value.readWouldBlock()
            loop.schedule { end.value.signal(.readEnd) }
            #expect(await end.value.waitReadable() == .ready)
            loop.schedule { end.value.signal(.broken) }
            #expect(await end.value.waitWritable() == .ready)
            end.value.release()
        }
    }

    @Test("a deadline ends a wait, and only that one")
    func deadline() async throws {
        try await onCleanLoop {
            let loop = try currentLoop()
            let end = LoopBound(try loop.register(-1), on: loop)
            let start = loop.clock.now
            loop.schedule(after: .seconds(5)) { end.value.signal(.writable) }
            async let writing = end.value.waitWritable(deadline: loop.deadline(after: .seconds(9)))
            #expect(await end.value.waitReadable(deadline: loop.deadline(after: .seconds(2))) == .timedOut)
            #expect(start.duration(to: loop.clock.now) == .seconds(2))
            #expect(await writing == .ready)
            #expect(start.duration(to: loop.clock.now) == .seconds(5))
            end.value.release()
        }
    }

    @Test("a thousand waits with deadlines keep one timer entry")
    func oneTimer() async throws {
        try await onCleanLoop {
            let loop = try currentLoop()
            let end = LoopBound(try loop.register(-1), on: loop)
            for second in 1...1000 {
                loop.schedule { end.value.signal(.readable) }
                #expect(await end.value.waitReadable(deadline: loop.deadline(after: .seconds(second))) == .ready)
                end.value.readWouldBlock()
                #expect(loop.statistics()?.timers == 1)
            }
            // Fires early, looks, and is armed anew.
            let start = loop.clock.now
            #expect(await end.value.waitReadable(deadline: loop.deadline(after: .seconds(3600))) == .timedOut)
            #expect(start.duration(to: loop.clock.now) == .seconds(3600))
            end.value.release()
            #expect(loop.statistics()?.timers == 0)
        }
    }

    @Test("waits end: closed, cancelled, busy")
    func outcomes() async throws {
        try await onCleanLoop {
            let loop = try currentLoop()
            let end = LoopBound(try loop.register(-1), on: loop)
            async let reading = end.value.waitReadable()
            async let writing = end.value.waitWritable()
            await turns()
            #expect(await end.value.waitReadable() == .busy)
            #expect(await end.value.waitWritable() == .busy)
            end.value.endWaits(.cancelled)
            #expect(await reading == .cancelled)
            #expect(await writing == .cancelled)
            async let again = end.value.waitReadable()
            await turns()
            end.value.release()
            #expect(await again == .closed)
            #expect(await end.value.waitReadable() == .closed)
            #expect(await end.value.waitWritable() == .closed)
        }
    }

    @Test("a cancelled task does not begin to wait")
    func cancelledBefore() async throws {
        try await onCleanLoop {
            let loop = try currentLoop()
            let end = LoopBound(try loop.register(-1), on: loop)
            let task = loop.spawn { (await end.value.waitReadable(), await end.value.waitWritable()) }
            task.cancel()
            let outcomes = try await task.value
            #expect(outcomes.0 == .cancelled && outcomes.1 == .cancelled)
            end.value.release()
        }
    }

    @Test("a watcher hears of events and of its deadline, until it stops watching")
    func watcher() async throws {
        try await onCleanLoop {
            let loop = try currentLoop()
            let end = try loop.register(-1)
            let watcher = Watcher()
            end.watch(watcher, idleDeadline: loop.deadline(after: .seconds(5)))
            end.signal(.writable)
            #expect(watcher.outcomes == [])
            end.signal(.readable)
            #expect(watcher.outcomes == [.ready])
            loop.endWaits(end.token, with: .closed)
            let bound = LoopBound((end, watcher), on: loop)
            try await sleep(for: .seconds(6))
            #expect(bound.value.1.outcomes == [.ready, .timedOut])
            bound.value.0.unwatch()
            bound.value.0.signal(.readable)
            #expect(bound.value.1.outcomes == [.ready, .timedOut])
            bound.value.0.release()
        }
    }
}

/// Two watched descriptors become readable in one batch; whoever hears first closes the other, and puts a new descriptor with
/// the same number and slot in its place.
private final class BatchScene: @unchecked Sendable {  // Loop thread only.
    private let loop: EventLoop
    private let pairs: [SocketPair]
    private let replacement: SocketPair
    private var descriptors: [Descriptor] = []
    private var watchers: [Watcher] = []
    private let newcomer = Watcher()
    private var new: Descriptor?

    init(loop: EventLoop) throws {
        self.loop = loop
        pairs = [try SocketPair(), try SocketPair()]
        replacement = try SocketPair()
    }

    func play() async throws {
        for (index, pair) in pairs.enumerated() {
            let descriptor = try loop.register(pair.near)
            // The first event of a socket says that it is writable: let it pass.
            _ = await descriptor.waitWritable()
            descriptors.append(descriptor)
            let watcher = Watcher { [unowned self] _ in self.replace(1 - index) }
            watchers.append(watcher)
            descriptor.watch(watcher, idleDeadline: .max)
        }
        for pair in pairs { pair.write([1]) }
        await turns()
        let heard = watchers.map(\.outcomes.count).sorted()
        #expect(heard == [0, 1], "exactly one of two was told")
        #expect(newcomer.outcomes == [], "the newcomer was not told of its predecessor's event")
        let new = try #require(new)
        #expect(!new.mayRead)
        replacement.write([1])
        await turns()
        #expect(newcomer.outcomes == [.ready], "but of its own")
        for descriptor in descriptors { descriptor.release() }
        new.release()
        for pair in pairs { pair.close() }
        replacement.close()
    }

    private func replace(_ index: Int) {
        let old = descriptors[index]
        guard new == nil else { return }
        let number = old.fd
        old.release()
        // Closes the old one and takes its number, in one go.
        dup2(replacement.near, number)
        new = try? loop.register(number)
        #expect(new?.slot == old.slot)
        new?.watch(newcomer, idleDeadline: .max)
    }
}

@Suite("Selector")
struct SelectorTests {
    private func events(of selector: inout PlatformSelector, timeout: Int64 = 0) -> [UInt64: Readiness] {
        var events = ContiguousArray<SelectorEvent>()
        selector.wait(timeout: timeout, into: &events)
        return Dictionary(events.map { ($0.token, $0.readiness) }) { $0.union($1) }
    }

    @Test("tells each change once, in both directions, from one registration")
    func edges() throws {
        var selector = try PlatformSelector()
        let pair = try SocketPair()
        #expect(selector.add(pair.near, token: 42) == 0)
        #expect(events(of: &selector) == [42: .writable])
        #expect(events(of: &selector) == [:], "edge-triggered: not again")
        pair.write([1])
        #expect(events(of: &selector)[42]?.contains(.readable) == true)
        #expect(events(of: &selector) == [:])
        pair.write([1])
        pair.finishWriting()
        #expect(events(of: &selector)[42]?.isSuperset(of: [.readable, .readEnd]) == true)
        #expect(events(of: &selector) == [:])
        shutdown(pair.far, Int32(SHUT_RD))
        #expect(events(of: &selector)[42]?.contains(.broken) == true)
        pair.close()
    }

    @Test("forgets what was removed, and refuses files with EPERM")
    func remove() throws {
        var selector = try PlatformSelector()
        let pair = try SocketPair()
        #expect(selector.add(pair.near, token: 1) == 0)
        #expect(selector.add(pair.near, token: 1) == EEXIST)
        selector.remove(pair.near)
        pair.write([1])
        #expect(events(of: &selector) == [:])
        let file = open(#filePath, O_RDONLY | O_CLOEXEC)
        #expect(selector.add(file, token: 2) == EPERM)
        close(file)
        pair.close()
    }

    @Test("is woken, once or often, before and during a wait, without an event")
    func wake() throws {
        var selector = try PlatformSelector()
        selector.wake()
        selector.wake()
        #expect(events(of: &selector, timeout: -1) == [:])
        selector.wake()
        #expect(events(of: &selector, timeout: -1) == [:], "every wake-up is a new edge")
    }
}
