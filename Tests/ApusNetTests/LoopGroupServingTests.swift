import ApusNet
import ApusRuntime
import ApusTesting
import Testing

@Suite("Servers on several loops")
struct LoopGroupServingTests {
    @Test("a listener on each loop shares one port: connections spread, and each is served where it was accepted")
    func sharedPort() async throws {
        try await LoopGroup.with(count: 3) { group in
            let first = try await group.loops[0].call {
                try await TCPListener.bind(host: "127.0.0.1", port: 0, options: .init(reusePort: true))
            }
            let port = first.address.port ?? 0
            var listeners = [first]
            for loop in group.loops.dropFirst() {
                listeners.append(
                    try await loop.call {
                        try await TCPListener.bind(host: "127.0.0.1", port: port, options: .init(reusePort: true))
                    }
                )
            }
            let served = (0..<3).map { _ in Counter() }
            let serving = zip(group.loops, listeners).enumerated().map { index, pair in
                let (loop, listener) = pair
                return loop.spawn {
                    try await listener.serve { stream in
                        guard EventLoop.current === loop else { return }
                        served[index].add()
                        try await stream.write([UInt8(index)])
                        _ = try await stream.read()
                    }
                }
            }
            // The system chooses by a hash of the address: of a hundred connections each listener has some.
            let address = first.address
            let answers = try await gather(0..<100, limit: 10) { _ in
                let stream = try await TCPStream.connect(to: address)
                let bytes = try await stream.read()
                await stream.close()
                return bytes.first.map { Int($0) } ?? -1
            }
            for index in 0..<3 {
                let count = answers.filter { $0 == index }.count
                #expect(count > 0 && count == served[index].value)
            }
            for listener in listeners { await listener.close() }
            for task in serving { _ = await task.result }
        }
    }
}
