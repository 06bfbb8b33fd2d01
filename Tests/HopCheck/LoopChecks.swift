import Apus
import ApusRuntime
import CApus
import Glibc

/// Calls from loop to loop, and what waits for descriptors and signals: on which thread does code go on?
extension Setting {
    func severalLoops() async throws {
        try await LoopGroup.with(count: 2) { group in
            report.equal(Place.here, here, "LoopGroup.with's body stays with its caller")
            for other in group.loops {
                let there = try await other.call { Place.here }
                report.check(there.loop == other.name && there.thread != here.thread, "call goes to \(other.name)")
                try await other.call { try await Stages.visit(echo: echo.address) }
                    .check(report, "a body of call", at: there)
                report.equal(Place.here, here, "after call the caller is back")
                try await other.call {
                    try await loop.call { try await Stages.visit(echo: echo.address) }
                        .check(report, "a call back", at: here)
                    report.equal(Place.here, there, "after a call back the other loop's task is back")
                }
                try await Task.detached {
                    try await other.call { try await Stages.visit(echo: echo.address) }
                        .check(report, "a call from the pool", at: there)
                    report.check(EventLoop.current == nil, "after a call from the pool the caller is back there")
                }.value
            }
            let places = try await group.each { _ in
                await Task.yield()
                return Place.here
            }
            report.check(Set(places.map(\.thread)).count == 2, "each runs on every loop's thread")
            report.equal(Place.here, here, "after each the caller is back")
        }
        report.equal(Place.here, here, "after LoopGroup.with the caller is back")
    }

    func waits() async throws {
        let sequence = try signals(.winch)
        kill(getpid(), SIGWINCH)
        for await _ in sequence { break }
        report.equal(Place.here, here, "after a signal that was there a task is on its loop")
        let waiting = loop.spawn {
            for await _ in sequence { break }
            return Place.here
        }
        await Task.yield()
        kill(getpid(), SIGWINCH)
        report.equal(try await waiting.value, here, "after a signal that was waited for a task is on its loop")
        var ends: [Int32] = [-1, -1]
        _ = pipe(&ends)
        let writing = ends[1]
        let handle = try IOHandle(ends[0])
        try await offload { _ = write(writing, "x", 1) }
        try await handle.readable()
        report.equal(Place.here, here, "after IOHandle.readable a task is on its loop")
        try await Task.detached {
            try await handle.readable()
            report.check(EventLoop.current == nil, "after IOHandle.readable a task of the pool is back there")
        }.value
        try await mainActorWait(handle)
        handle.close()
        for end in ends { close(end) }
        let value = try await offload { try loop.spawn { Place.here }.wait() }
        report.equal(value, here, "a task that a thread waits for runs on its loop")
    }

    @MainActor
    private func mainActorWait(_ handle: IOHandle) async throws {
        try await handle.readable()
        MainActor.assertIsolated()
        report.check(apus_gettid() == here.thread, "after IOHandle.readable the main actor is on its thread")
    }
}
