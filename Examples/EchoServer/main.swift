// A server that sends back what it is sent. Without an argument it tries itself out and ends.
//
//     swift run EchoServer             its own clients
//     swift run EchoServer 7007        for yours: nc localhost 7007
import Apus
import ExampleServer

try EventLoop.run {
    let listener = try await TCPListener.bind(host: "localhost", port: argumentPort ?? 0)
    print("listening on", listener.addresses.map(\.description).joined(separator: " and "))

    let server = EventLoop.spawn(name: "echo server") {
        // A task for each connection; an error ends that connection only.
        try await listener.serve { stream in
            var buffer = [UInt8](repeating: 0, count: 65_536)
            while case let count = try await stream.read(into: &buffer), count > 0 {
                try await stream.write(buffer[..<count])
            }
        }
    }

    if argumentPort == nil {
        let answers = try await gather(1...100) { number in
            let stream = try await TCPStream.connect(to: listener.address)
            try await stream.write("hello \(number)\n")
            let line = try await BufferedReader(stream).readLine()
            await stream.close()
            return line ?? ""
        }
        print("answers:", answers.count, "the last one:", answers[99])
        await listener.shutdown()
    }
    // Ctrl-C ends the wait, and with it the server.
    try? await server.value
}
