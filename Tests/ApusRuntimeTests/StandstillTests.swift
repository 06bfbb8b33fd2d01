import ApusTesting
import CApus
import Logging
import Testing

@testable import ApusRuntime

@Suite("Virtual time at a standstill")
struct StandstillTests {
    @Test("is told once, after five seconds in which nothing ran, with the descriptors and timers that wait")
    func isTold() async throws {
        let said = Recorder<String>()
        var options = EventLoop.Options()
        options.name = "still"
        options.clock = .virtual
        options.logger = Logger(label: "test") { _ in RecordingHandler(said) }
        try await withTestLoop(options) {
            let loop = try currentLoop()
            let pair = try SocketPair()
            let descriptor = LoopBound(try loop.register(pair.near), on: loop)
            // Its first event says that it can be written to.
            await turns()
            let sleeper = loop.spawn { try await sleep(for: .seconds(60)) }
            // On a busy machine the loop may have stood still before, until this closure came to it: that was told, and is not meant here.
            loop.state.pointee.standstillReported = false
            let toldBefore = said.count
            try startThread(name: "standstill") {
                standStill(loop)
                pair.write([1])
            }
            #expect(await descriptor.value.waitReadable() == .ready)
            descriptor.value.release()
            pair.close()
            try await sleeper.value
            #expect(said.count == toldBefore + 1)
            let message = said.all.last ?? ""
            #expect(message.contains("Event loop “still” runs on virtual time, which stands still"))
            #expect(message.contains("descriptors [\(pair.near)], 0 calls on other threads or loops, 1 timers pending"))
            #expect(message.contains("Use in-memory streams"))
        }
    }

    @Test("is told, too, where a thread waits for the loop's time, which waits for the thread")
    func threadWaits() async throws {
        let said = Recorder<String>()
        var options = EventLoop.Options()
        options.clock = .virtual
        options.logger = Logger(label: "test") { _ in RecordingHandler(said) }
        try await withTestLoop(options) {
            let loop = try currentLoop()
            loop.state.pointee.standstillReported = false
            let toldBefore = said.count
            let sleeper = loop.spawn { try await sleep(for: .seconds(60)) }
            try await offload { standStill(loop) }
            try await sleeper.value
            #expect(said.count == toldBefore + 1)
            #expect(said.all.last?.contains("descriptors [], 1 calls on other threads or loops, 1 timers") == true)
        }
    }

    /// As if five seconds had passed. From another thread.
    private func standStill(_ loop: EventLoop) {
        // A scheduled call is no job: the loop stands still as before. The first may come before it does.
        for _ in 1...3 {
            let looked = Gate()
            loop.schedule {
                loop.state.pointee.standstillSince = apus_monotonic_now() - 5_000_000_000
                // The next look at the clock is before the call that follows.
                loop.schedule { looked.open() }
            }
            looked.pass()
            let told = Gate()
            loop.schedule { told.open() }
            told.pass()
        }
    }

    @Test("is not told for a time that passed before something ran")
    func whatRanBefore() async throws {
        try await onCleanLoop {
            let loop = try currentLoop()
            // As if the clock had stood still an hour ago, before this job: that was another standstill.
            loop.state.pointee.standstillSince = apus_monotonic_now() - 3_600_000_000_000
            // A thread of its own: Swift's pool is busy with the other suites, sometimes for longer than five seconds.
            let hasRun = AsyncStream<Void>.makeStream()
            try startThread(name: "standstill") {
                loop.schedule { hasRun.continuation.finish() }
            }
            for await _ in hasRun.stream {}
            let wasReported = loop.state.pointee.standstillReported
            #expect(!wasReported)
            loop.state.pointee.standstillJobs = loop.state.pointee.statistics.jobs
        }
    }
}

/// Notes what is logged.
private struct RecordingHandler: LogHandler {
    let recorder: Recorder<String>
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.warning

    init(_ recorder: Recorder<String>) { self.recorder = recorder }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) { recorder.note("\(event.message)") }
}
