// Work that computes gains nothing from an event loop, which has one thread. A pool with a thread per core helps.
//
//     swift run -c release CPUBoundPool
import Apus

@Sendable
nonisolated func countPrimes(below limit: Int) -> Int {
    var count = 0
    for number in 2..<limit {
        var divisor = 2
        while divisor * divisor <= number, number % divisor != 0 { divisor += 1 }
        if divisor * divisor > number { count += 1 }
    }
    return count
}

let jobs = [400_000, 400_000, 400_000, 400_000]
let clock = ContinuousClock()

try EventLoop.run {
    let onTheLoop = try await clock.measure {
        print(try await gather(jobs) { countPrimes(below: $0) })
    }
    let onThePool = try await clock.measure {
        print(try await gather(jobs) { limit in try await offload(to: .cpu) { countPrimes(below: limit) } })
    }
    print("gathered on the loop:", onTheLoop)
    print("gathered on .cpu:    ", onThePool)
    print("gain: \(onTheLoop / onThePool) with \(OffloadPool.cpu.maximumThreads) cores")
}
