import ApusWire
import HTTPTypes
import Testing

@Suite("Memory that a connection is lent")
struct HTTP1LentMemoryTests {
    private static let response = Array("HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 4\r\n\r\nbody".utf8)

    private static func connection() throws -> HTTP1Connection {
        var connection = HTTP1Connection(role: .client)
        try connection.sendRequest(
            method: .get,
            target: [0x2F],
            prepared: Array("Host: h\r\n".utf8),
            fields: [:],
            body: .none
        )
        try connection.sendEnd()
        connection.consumeOutput(connection.output.count)
        return connection
    }

    @Test("A response that is cut anywhere is read whole, although the memory is lent to others in between")
    func everyCut() throws {
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 1024, alignment: 16)
        defer { memory.deallocate() }
        for cut in 0...Self.response.count {
            var connection = try Self.connection()
            var body: [UInt8] = []
            var hasEnded = false
            for part in [Self.response[..<cut], Self.response[cut...]] {
                _ = connection.borrowInput(memory)
                connection.prepareInput(minimum: part.count).copyBytes(from: part)
                connection.commitInput(part.count)
                reading: while true {
                    switch try connection.next() {
                    case .data(let data): connection.append(data, to: &body)
                    case .end: hasEnded = true
                    case .needData, .paused: break reading
                    default: continue
                    }
                }
                connection.giveBackInput()
                memory.initializeMemory(as: UInt8.self, repeating: 0)
            }
            #expect(hasEnded && body == Array("body".utf8), "cut at \(cut)")
        }
    }

    @Test("Memory is not taken while bytes are stored, nor written to afterwards")
    func busy() throws {
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 64, alignment: 16)
        defer { memory.deallocate() }
        memory.initializeMemory(as: UInt8.self, repeating: 0x55)
        var connection = try Self.connection()
        connection.receive(Self.response[..<10].map { $0 })
        let isUsed = connection.borrowInput(memory)
        connection.receive(Self.response[10...].map { $0 })
        let isTouched = memory.contains { $0 != 0x55 }
        #expect(!isUsed && !isTouched)
    }

    @Test("What is stored grows out of memory that is too small")
    func grows() throws {
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 8, alignment: 16)
        defer { memory.deallocate() }
        var connection = try Self.connection()
        let isUsed = connection.borrowInput(memory)
        for byte in Self.response { connection.receive([byte]) }
        guard case .response(let head) = try connection.next() else {
            Issue.record("no response")
            return
        }
        #expect(isUsed && head.statusCode == 200)
    }

    @Test("Output that is not written yet moves to memory of its own")
    func output() throws {
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 1024, alignment: 16)
        defer { memory.deallocate() }
        var connection = HTTP1Connection(role: .client)
        _ = connection.borrowOutput(memory)
        try connection.sendRequest(
            method: .get,
            target: [0x2F],
            prepared: Array("Host: h\r\n".utf8),
            fields: [:],
            body: .none
        )
        connection.consumeOutput(4)
        connection.giveBackOutput()
        memory.initializeMemory(as: UInt8.self, repeating: 0)
        #expect(String(decoding: connection.output, as: UTF8.self) == "/ HTTP/1.1\r\nHost: h\r\n\r\n")
    }
}
