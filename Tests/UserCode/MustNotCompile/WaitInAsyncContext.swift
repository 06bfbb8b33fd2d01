// error: wait blocks its thread. From asynchronous code write: try await task.value
import Apus

func program() async throws {
    _ = try EventLoop.spawn { 1 }.wait()
}
