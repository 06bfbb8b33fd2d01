import ApusRuntime
import Testing

/// Runs `body` on a loop of its own, and then checks that it left no timer, descriptor or task behind.
///
/// The process's descriptors are compared in `apus-hop-check leaks`, a process of its own: here other tests run at the same time.
@discardableResult
func onCleanLoop<Success: Sendable>(
    _ clock: EventLoop.TimeSource = .virtual,
    exceptionHandler: (@Sendable (UnhandledError) -> Void)? = nil,
    _ body: @escaping @Sendable () async throws -> Success
) async throws -> Success {
    var options = EventLoop.Options()
    options.name = "test"
    options.clock = clock
    options.exceptionHandler = exceptionHandler
    return try await EventLoop.with(options) {
        let result: Result<Success, any Error>
        do {
            result = .success(try await body())
        } catch {
            result = .failure(error)
        }
        await turns()
        let left = try #require(EventLoop.current?.statistics())
        #expect(left.timers == 0, "timers were left behind")
        #expect(left.descriptors == 0, "descriptors were left behind")
        #expect(left.tasks == 0, "tasks were left behind")
        return try result.get()
    }
}

/// Lets everything that is ready have some turns, the inbox and the descriptors included: more than two slices of the loop.
func turns(_ count: Int = 200) async {
    for _ in 0..<count { await Task.yield() }
}

/// The loop of this task; a test that calls it off a loop fails.
func currentLoop() throws -> EventLoop { try #require(EventLoop.current) }

/// Waits until the task is cancelled, without a timer.
func untilCancelled() async throws {
    try await sleep(for: .seconds(Int64.max))
}
