// A C library that does its own input and output, c-ares, driven by the loop through IOHandle. It asks a name server in this program.
//
//     swift run CAresResolver        (needs libcares.so.2 when it runs; ./run interop brings it, and runs this)
import Apus
import Glibc

do {
    try EventLoop.run {
        let server = try await NameServer.start()
        let serving = EventLoop.spawn(name: "name server") { try await server.serve() }

        let resolver = try CAres(server: "\(server.datagrams.localAddress)")
        let names = ["one.example", "two.example", "large.example", "none.example"]
        for (name, result) in zip(names, try await resolver.addresses(of: names)) {
            switch result {
            case .success(let addresses): print("\(name): \(addresses[0]), \(addresses.count) in all")
            case .failure(let error): print("\(name): \(error)")
            }
        }

        // Silence: the library's own timers go on through the loop as well, until somebody has waited long enough.
        await server.datagrams.close()
        let silent = try await UDPSocket.bind(host: "127.0.0.1", port: 0)
        do {
            let deaf = try CAres(server: "\(silent.localAddress)")
            _ = try await withTimeout(.milliseconds(200)) { try await deaf.addresses(of: ["one.example"]) }
        } catch let error as TimeoutError {
            print("a silent server: given up after \(error.duration)")
        }
        await silent.close()
        serving.cancel()
    }
} catch {
    print("error: \(error)")
    exit(1)
}
