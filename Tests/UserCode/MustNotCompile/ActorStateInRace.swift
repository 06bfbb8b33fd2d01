// error: actor-isolated property 'count' can not be mutated
import Apus

actor Crawler {
    var count = 0

    func crawl() async throws {
        try await race(1...3) { number in self.count += number }
    }
}
