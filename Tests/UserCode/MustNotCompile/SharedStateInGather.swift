// error: mutation of captured var 'total' in concurrently-executing code
import Apus

func program() async throws {
    var total = 0
    try await gather(1...100) { number in total += number }
    print(total)
}
