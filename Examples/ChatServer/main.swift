// A chat room: who joins says a name, then every line goes to all others. Without an argument two guests of its own meet.
//
//     swift run ChatServer             its own guests
//     swift run ChatServer 7007        for yours: nc localhost 7007, in two terminals
import Apus
import ExampleServer

/// Who is there. The main actor keeps it without locks: the loop serves it.
@MainActor
final class Room {
    private var guests: [Int: AsyncStream<String>.Continuation] = [:]
    private var nextNumber = 0

    /// The guest's number, and what it gets to hear. A guest that does not read loses the oldest lines, and holds nobody up.
    func join(_ name: String) -> (number: Int, lines: AsyncStream<String>) {
        let (lines, mailbox) = AsyncStream.makeStream(of: String.self, bufferingPolicy: .bufferingNewest(100))
        say("* \(name) has come, guests: \(guests.count + 1)", from: nextNumber)
        guests[nextNumber] = mailbox
        nextNumber += 1
        return (nextNumber - 1, lines)
    }

    func say(_ text: String, from number: Int) {
        for (guest, mailbox) in guests where guest != number { mailbox.yield(text) }
    }

    func leave(_ name: String, _ number: Int) {
        guests.removeValue(forKey: number)?.finish()
        say("* \(name) has gone", from: number)
    }
}

@Sendable
nonisolated func deliver(_ lines: AsyncStream<String>, to stream: TCPStream) async throws {
    for await line in lines { try await stream.write(line + "\n") }
}

@Sendable
nonisolated func welcome(_ stream: TCPStream, to room: Room) async throws {
    let reader = BufferedReader(stream, limit: 1_000)
    try await stream.write("Your name?\n")
    guard let name = try await reader.readLine(timeout: .seconds(60)) else { return }
    let (number, lines) = await room.join(name)
    async let delivering: Void = deliver(lines, to: stream)
    do {
        for try await line in reader.lines { await room.say("\(name): \(line)", from: number) }
    } catch {
        print("\(name) was lost: \(error)")
    }
    await room.leave(name, number)
    try await delivering
}

try EventLoop.run {
    let room = Room()
    let listener = try await TCPListener.bind(host: "localhost", port: argumentPort ?? 0)
    print("listening on", listener.addresses.map(\.description).joined(separator: " and "))
    let server = EventLoop.spawn(name: "chat server") {
        try await listener.serve(connectionLimit: 1_000) { stream in try await welcome(stream, to: room) }
    }

    if argumentPort == nil {
        let ada = try await TCPStream.connect(to: listener.address)
        let adaReads = BufferedReader(ada)
        _ = try await adaReads.readLine()
        try await ada.write("Ada\n")
        let bob = try await TCPStream.connect(to: listener.address)
        let bobReads = BufferedReader(bob)
        _ = try await bobReads.readLine()
        try await bob.write("Bob\n")
        print("Ada hears:", try await adaReads.readLine() ?? "nothing")
        try await ada.write("Hello, Bob!\n")
        print("Bob hears:", try await bobReads.readLine() ?? "nothing")
        await bob.close()
        print("Ada hears:", try await adaReads.readLine() ?? "nothing")
        await ada.close()
        await listener.shutdown()
    }
    try? await server.value
}
