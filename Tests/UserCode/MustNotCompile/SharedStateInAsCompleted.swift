// error: mutation of captured var 'total' in concurrently-executing code
import Apus

func program() async throws {
    var total = 0
    try await asCompleted(1...100) { number in
        total += number
    } consume: { results in
        for try await _ in results {}
    }
    print(total)
}
