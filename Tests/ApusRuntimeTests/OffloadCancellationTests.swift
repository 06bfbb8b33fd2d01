import ApusTesting
import Testing

@testable import ApusRuntime

@Suite("Cancelling what is offloaded")
struct OffloadCancellationTests {
    private static let modes: [OffloadCancellation] = [.abandon, .cooperative]

    /// Computes until it is cancelled.
    @Sendable
    private static func untilCancelled(_ begun: Gate) {
        begun.open()
        while !Task.isCancelled {}
    }

    @Test("A71: the running function sees Task.isCancelled turn true", arguments: modes)
    func seen(mode: OffloadCancellation) async throws {
        let (begun, ended) = (Gate(), Gate())
        try await onCleanLoop {
            let task = EventLoop.spawn {
                try await offload(cancellation: mode) {
                    Self.untilCancelled(begun)
                    ended.open()
                }
            }
            try await offload { begun.pass() }
            task.cancel()
            _ = await task.result
            try await offload { ended.pass() }
        }
    }

    @Test("A71: a cooperative call is awaited, and gives its result although it was cancelled")
    func result() async throws {
        let begun = Gate()
        let letGo = Gate()
        try await onCleanLoop {
            let task = EventLoop.spawn {
                try await offload(cancellation: .cooperative) {
                    Self.untilCancelled(begun)
                    letGo.pass()
                    return 7
                }
            }
            try await offload { begun.pass() }
            task.cancel()
            await turns()
            #expect(!task.isFinished, "the call has not ended")
            letGo.open()
            let value = try await task.value
            #expect(value == 7)
        }
    }

    @Test("a cooperative call gives the error with which it ended early")
    func error() async throws {
        let begun = Gate()
        try await onCleanLoop {
            let task = EventLoop.spawn {
                try await offload(cancellation: .cooperative) {
                    Self.untilCancelled(begun)
                    throw Oops(number: 4)
                }
            }
            try await offload { begun.pass() }
            task.cancel()
            await #expect(throws: Oops(number: 4)) { try await task.value }
            let other = EventLoop.spawn {
                try await offload(cancellation: .cooperative) {
                    Self.untilCancelled(begun)
                    try Task.checkCancellation()
                }
            }
            try await offload { begun.pass() }
            other.cancel()
            await #expect(throws: CancellationError.self) { try await other.value }
        }
    }

    @Test("a timeout around a cooperative call ends it, and is told when it has ended")
    func timeout() async throws {
        let ended = Recorder<String>()
        let begun = Gate()
        // Real time: virtual time stands still while the call runs.
        try await onCleanLoop(.monotonic) {
            await #expect(throws: TimeoutError.self) {
                try await withTimeout(.milliseconds(1)) {
                    try await offload(cancellation: .cooperative) {
                        Self.untilCancelled(begun)
                        ended.note("call")
                        try Task.checkCancellation()
                    }
                }
            }
            ended.note("timeout")
        }
        #expect(ended.all == ["call", "timeout"] || ended.all == ["timeout"], "never begun, or awaited")
    }

    @Test("what an abandoned call throws later is told to the loop, unless it is CancellationError")
    func reported() async throws {
        let (begun, told) = (Gate(), Gate())
        let errors = Recorder<String>()
        let handler: @Sendable (UnhandledError) -> Void = {
            errors.note("\($0.taskName ?? "") \($0.error)")
            told.open()
        }
        try await onCleanLoop(exceptionHandler: handler) {
            for fails in [false, true] {
                let task = EventLoop.spawn {
                    try await offload {
                        Self.untilCancelled(begun)
                        if fails { throw Oops(number: 6) } else { try Task.checkCancellation() }
                    }
                }
                try await offload { begun.pass() }
                task.cancel()
                await #expect(throws: CancellationError.self) { try await task.value }
            }
            try await offload { told.pass() }
        }
        #expect(errors.all == ["offload(to: blocking) Oops(number: 6)"])
    }

    @Test(
        "cancelled at a random moment, a cooperative call never leaves its task before it has ended",
        arguments: UInt64(1)...5
    )
    func race(seed: UInt64) async throws {
        let pool = OffloadPool(name: "cooperative", maximumThreads: 4)
        let inside = Gauge()
        try await onCleanLoop(.monotonic) {
            var random = SplitMix(seed: seed)
            let tasks = (0..<300).map { number in
                EventLoop.spawn {
                    // What was begun and not yet ended belongs to a task that still waits.
                    let own = Gauge()
                    let ended = await outcome {
                        try await offload(to: pool, cancellation: .cooperative) {
                            own.enter()
                            inside.enter()
                            for _ in 0..<number * 10 where Task.isCancelled { break }
                            inside.leave()
                            own.leave()
                            return number
                        }
                    }
                    #expect(own.now == 0)
                    return try ended.get()
                }
            }
            for task in tasks.shuffled(using: &random) {
                if Bool.random(using: &random) { task.cancel() }
                if Int.random(in: 0..<10, using: &random) == 0 { await Task.yield() }
            }
            for (number, task) in tasks.enumerated() {
                switch await task.result {
                case .success(let value): #expect(value == number)
                case .failure(let error): #expect(error is CancellationError)
                }
            }
            #expect(inside.now == 0)
            // Jobs of calls that were given up may still be on their way through the queue.
            let left = await pool.shutdown(timeout: .seconds(60))
            while pool.statistics.threads > 0 { await Task.yield() }
            #expect(left == 0 && pool.statistics.running == 0)
        }
    }
}

private func outcome<Success>(_ body: () async throws -> Success) async -> Result<Success, any Error> {
    do { return .success(try await body()) } catch { return .failure(error) }
}
