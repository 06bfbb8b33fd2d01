import CApus
import Testing

@testable import ApusRuntime

/// How often a loop looks at the world: seldom enough to be cheap, and often enough that nobody waits.
@Suite("Slices")
struct SliceTests {
    @Test("while jobs are ready the system is asked once per 64 of them")
    func byJobs() async throws {
        // Virtual time stands still while somebody is ready: only the jobs count.
        try await onCleanLoop {
            let loop = try currentLoop()
            // With nothing registered there would be nobody to ask about.
            let pair = try SocketPair()
            let descriptor = LoopBound(try loop.register(pair.near), on: loop)
            await turns()
            let before = try #require(loop.statistics())
            await turns(6_400)
            let after = try #require(loop.statistics())
            let (jobs, polls) = (after.jobs - before.jobs, after.polls - before.polls)
            #expect(jobs >= 6_400)
            // A slice may have begun before, and another may not be over.
            #expect([jobs / 64, jobs / 64 + 1].contains(polls))
            descriptor.value.release()
            pair.close()
        }
    }

    @Test("a job that takes longer than 250 µs is the last of its slice")
    func byTime() async throws {
        try await onCleanLoop(.monotonic) {
            let loop = try currentLoop()
            let pair = try SocketPair()
            let descriptor = LoopBound(try loop.register(pair.near), on: loop)
            await turns()
            let before = try #require(loop.statistics())
            for _ in 0..<20 {
                let end = apus_monotonic_now() + 300_000
                while apus_monotonic_now() < end {}
                await Task.yield()
            }
            let after = try #require(loop.statistics())
            #expect(after.polls - before.polls >= 20)
            descriptor.value.release()
            pair.close()
        }
    }

    @Test(
        "who is resumed through the inbox again and again does not keep the loop from its descriptors",
        .timeLimit(.minutes(1))
    )
    func flooded() async throws {
        try await onCleanLoop(.monotonic) {
            let loop = try currentLoop()
            let pair = try SocketPair()
            let descriptor = try loop.register(pair.near)
            // There is something in the inbox whenever the queue is empty.
            let flood = EventLoop.spawn {
                while !Task.isCancelled {
                    await withUnsafeContinuation { continuation in
                        loop.schedule { continuation.resume() }
                    }
                }
            }
            for _ in 0..<20 {
                pair.write([1])
                #expect(await descriptor.waitReadable() == .ready)
                let count = pair.read(upTo: 16)
                #expect(count == 1)
                descriptor.didRead(1, of: 16)
            }
            flood.cancel()
            try await flood.value
            descriptor.release()
            pair.close()
        }
    }

    @Test("a wait for what is ready already does not suspend, and one that is not looks inside its own closure")
    func readyAtOnce() async throws {
        try await onCleanLoop {
            let loop = try currentLoop()
            let descriptor = try loop.register(-1)
            descriptor.signal(.readable)
            let before = try #require(loop.statistics()).jobs
            for _ in 0..<100 { _ = await descriptor.waitReadable() }
            let after = try #require(loop.statistics()).jobs
            #expect(after == before)
            // It becomes ready between the caller's look and the wait, by a job that comes in between.
            descriptor.didRead(0, of: 1)
            let mayRead = descriptor.mayRead
            #expect(!mayRead)
            let bound = LoopBound(descriptor, on: loop)
            loop.schedule { bound.value.signal(.readable) }
            await turns()
            #expect(await descriptor.waitReadable() == .ready)
            descriptor.release()
        }
    }
}
