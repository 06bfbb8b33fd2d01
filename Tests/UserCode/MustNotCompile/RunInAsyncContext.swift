// error: EventLoop.run blocks its thread. From asynchronous code write: try await EventLoop.with { … }
import Apus

func program() async throws {
    try EventLoop.run { try await sleep(for: .seconds(1)) }
}
