// A UDP service that answers questions, and a client that asks it: the datagrams of both pass through one loop.
//
//     swift run UDPResponder
import Apus

/// Answers each datagram with its text in upper case, until the task is cancelled. One client that has left does not end it.
@Sendable
func respond(_ socket: UDPSocket) async throws {
    for try await question in socket.datagrams {
        try await socket.send(String(decoding: question.bytes, as: UTF8.self).uppercased(), to: question.peer)
    }
}

try EventLoop.run {
    let server = try await UDPSocket.bind(host: "127.0.0.1", port: 0)
    let responder = EventLoop.spawn(name: "responder") { try await respond(server) }

    let client = try await UDPSocket.connect(to: server.localAddress)
    for word in ["hello", "datagrams"] {
        try await client.send(word)
        let answer = try await client.receive(timeout: .seconds(1))
        print("answer:", String(decoding: answer.bytes, as: UTF8.self))
    }

    // Closing ends the sequence of datagrams, and so the responder.
    await server.close()
    try await responder.value

    // Nobody has that port now: the system reports so, and the next receive says it.
    try await client.send("still there?")
    do {
        _ = try await client.receive(timeout: .seconds(1))
    } catch let error as NetError {
        print("error:", error.code)
    }
    await client.close()
}
