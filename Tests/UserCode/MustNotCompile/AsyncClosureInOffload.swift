// error: offload runs a synchronous function on a thread. Asynchronous code does not block: await it directly.
import Apus

func program() async throws {
    try await offload { try await sleep(for: .seconds(1)) }
}
