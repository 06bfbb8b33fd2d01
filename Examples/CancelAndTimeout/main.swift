// Ending things early: a time limit around any code, and a task that is cancelled. Both clean up: no connection stays open.
//
//     swift run CancelAndTimeout
import Apus
import ExampleServer

try EventLoop.run {
    try await withExampleServer { baseURL in
        try await ClientSession.with { session in
            do {
                _ = try await withTimeout(.milliseconds(100)) {
                    try await session.get("\(baseURL)/slow/1").text()
                }
            } catch let error as TimeoutError {
                print("timeout:", error)
            }

            let task = EventLoop.spawn(name: "slow page") {
                do {
                    return try await session.get("\(baseURL)/slow/2").text()
                } catch is CancellationError {
                    print("the task was cancelled, and may clean up here")
                    throw CancellationError()
                }
            }
            try await sleep(for: .milliseconds(50))
            task.cancel()
            let result = await task.result
            print("result:", result)

            // Timeouts of the session's own say which stage took too long.
            do {
                _ = try await session.get("\(baseURL)/slow/3", timeouts: .total(.milliseconds(100)))
            } catch let error as ClientError where error.isTimeout {
                print("timeout:", error)
            }
            print("connections open:", await session.statistics.open)
        }
    }
}
