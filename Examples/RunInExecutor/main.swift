// A function that blocks its thread for a second, moved off the event loop, which meanwhile goes on.
//
//     swift run RunInExecutor
import Apus
import Glibc

// Stands for a database driver, a C library, a large file: code that knows nothing of async.
@Sendable
nonisolated func blockingCall() -> String {
    Glibc.sleep(1)
    return "the blocking call's result"
}

try EventLoop.run {
    let heartbeat = EventLoop.spawn(name: "heartbeat") {
        var beats = 0
        while !Task.isCancelled {
            try? await sleep(for: .milliseconds(10))
            beats += 1
        }
        return beats
    }

    print(try await offload { blockingCall() })

    heartbeat.cancel()
    print("beats meanwhile:", try await heartbeat.value)

    // The mistake of many tutorials, an async function for an executor, does not compile here; Python prints a coroutine:
    // try await offload { try await sleep(for: .seconds(1)) }
}
