// error: main actor-isolated property 'title' can not be mutated
import Apus

@MainActor
final class Model {
    var title = ""

    func load() async throws {
        try await offload { self.title = "from a thread" }
    }
}
