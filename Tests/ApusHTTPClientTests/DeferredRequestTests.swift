import ApusNet
import ApusRuntime
import ApusTesting
import Testing

@testable import ApusHTTPClient

/// Requests that are written in a row, behind the jobs of the loop's slice: nothing of it may be seen but that it is quicker.
@Suite("Deferred requests")
struct DeferredRequestTests {
    /// What happens, in its order. Loop thread only.
    fileprivate final class Record {
        var lines: [String] = []
        /// How the sends to come end, each after the other; afterwards everything is taken.
        var outcomes: [Outcome] = []
        var transports: [Recorded] = []
        var sent: [UInt8] = []
        var peers: Int { transports.count }
        var open: Int { transports.count { $0.isOpen } }
    }

    fileprivate enum Outcome {
        case takes(Int), isFull, fails(NetError.Code)
    }

    /// Answers each request that has come whole, and writes down whether it was sent by a task or behind the jobs.
    fileprivate final class Recorded: Transport {
        let descriptor: Descriptor
        private let record: Record
        private var request: [UInt8] = []
        private(set) var requests: [String] = []
        private var answer: [UInt8] = []
        private(set) var isOpen = true

        init(_ record: Record, on loop: EventLoop) throws {
            self.record = record
            descriptor = try loop.register(-1)
            record.transports.append(self)
        }

        func receive(into buffer: UnsafeMutableRawBufferPointer) throws(NetError) -> Int? {
            guard !answer.isEmpty else {
                descriptor.readWouldBlock()
                return nil
            }
            let count = min(answer.count, buffer.count)
            buffer.copyBytes(from: answer[..<count])
            answer.removeFirst(count)
            descriptor.didRead(count, of: buffer.count)
            return count
        }

        func send(_ bytes: UnsafeRawBufferPointer) throws(NetError) -> Int? {
            let who = withUnsafeCurrentTask { $0 == nil } ? "behind the jobs" : "by its task"
            var count = bytes.count
            if !record.outcomes.isEmpty {
                switch record.outcomes.removeFirst() {
                case .takes(let some): count = min(some, count)
                case .isFull:
                    record.lines.append("full \(who)")
                    descriptor.writeWouldBlock()
                    return nil
                case .fails(let code):
                    record.lines.append("broken \(who)")
                    throw NetError(code, "Nobody is there.")
                }
            }
            record.lines.append("\(count == bytes.count ? "sent" : "sent a part") \(who)")
            request += bytes.prefix(count)
            record.sent += bytes.prefix(count)
            let text = String(decoding: request, as: UTF8.self)
            if text.hasSuffix("\r\n\r\n") {
                requests.append(text)
                request = []
                answer = Array(okResponse.utf8)
                descriptor.signal(.readable)
            }
            return count
        }

        func forget() { requests = [] }

        func finishSending() {}
        func close() {
            isOpen = false
            descriptor.release()
        }
        func abort() { close() }
        var remoteAddress: SocketAddress? { nil }
        var localAddress: SocketAddress? { nil }
    }

    /// Runs `body` with a session that keeps `count` connections, which all have had a request.
    private func withIdle(
        _ count: Int,
        configuration: ClientSession.Configuration = .init(),
        _ body: @escaping @Sendable (ClientSession, LoopBound<Record>) async throws -> Void
    ) async throws {
        try await withVirtualTime {
            let loop = try #require(EventLoop.current)
            let record = LoopBound(Record(), on: loop)
            let left = try await leaks {
                let session = ClientSession(configuration) { _, _, loop in try Recorded(record.value, on: loop) }
                try await fetch(count, with: session)
                #expect(await session.statistics.idle == count)
                record.value.lines = []
                record.value.sent = []
                try await body(session, record)
                await session.close()
            }
            #expect(left.isEmpty, "\(left)")
            #expect(record.value.open == 0)
        }
    }

    /// So many at once.
    private func fetch(_ count: Int, with session: ClientSession) async throws {
        let texts = try await gather((0..<count)) { number in
            try await session.get("http://script.test/\(number)").text()
        }
        #expect(texts == [String](repeating: "ok", count: count))
    }

    @Test("requests of one slice are written in a row behind its jobs, in the order of the requests")
    func inARow() async throws {
        try await withIdle(3) { session, record in
            let tasks = (0..<3).map { number in
                EventLoop.spawn {
                    record.value.lines.append("job \(number)")
                    return try await session.get("http://script.test/\(number)").text()
                }
            }
            for task in tasks {
                let text = try await task.value
                #expect(text == "ok")
            }
            let sent = [String](repeating: "sent behind the jobs", count: 3)
            #expect(record.value.lines == ["job 0", "job 1", "job 2"] + sent)
            let lines = String(decoding: record.value.sent, as: UTF8.self).split(separator: "\r\n")
            #expect(lines.filter { $0.hasPrefix("GET") } == (0..<3).map { "GET /\($0) HTTP/1.1" })
            #expect(record.value.peers == 3)
        }
    }

    @Test("a request that is alone is written at once")
    func alone() async throws {
        try await withIdle(1) { session, record in
            await turn()
            try await expectOK(session)
            #expect(record.value.lines == ["sent by its task"])
        }
    }

    @Test("a long request is written at once, and so is one whose sending is observed")
    func notDeferred() async throws {
        try await withIdle(2) { session, record in
            let long = String(repeating: "x", count: 5_000)
            let other = EventLoop.spawn {}
            _ = try await session.get("http://script.test/", headers: ["X-Long": long]).text()
            #expect(record.value.lines == ["sent by its task"])
            try await other.value
        }
        var configuration = ClientSession.Configuration()
        let log = EventLog()
        configuration.observers = [log]
        try await withIdle(2, configuration: configuration) { session, record in
            try await fetch(2, with: session)
            #expect(record.value.lines == ["sent by its task", "sent by its task"])
        }
    }

    @Test(
        "requests of all lengths, deferred and not, some of them cancelled or sent in parts, arrive as they were made"
    )
    func lengths() async throws {
        try await withIdle(100) { session, record in
            var random = SplitMix(seed: 7)
            for transport in record.value.transports { transport.forget() }
            for _ in 0..<20 {
                record.value.outcomes = (0..<60).map { _ in .takes(Bool.random(using: &random) ? 50 : 10_000) }
                let lengths = (0..<100).map { _ in
                    Int.random(in: 0...6_000, using: &random) >> Int.random(in: 0...8, using: &random)
                }
                let tasks = lengths.enumerated().map { number, length in
                    EventLoop.spawn {
                        let pad = String(repeating: Self.letter(of: number), count: length)
                        return try await session.get("http://script.test/\(number)", headers: ["X-Pad": pad]).text()
                    }
                }
                let doomed = Set((0..<10).map { _ in Int.random(in: 0..<100, using: &random) })
                let canceller = EventLoop.spawn { for number in doomed { tasks[number].cancel() } }
                try await canceller.value
                for (number, task) in tasks.enumerated() {
                    let result = await task.result
                    if !doomed.contains(number) { #expect(try result.get() == "ok") }
                }
                var seen: Set<Int> = []
                for transport in record.value.transports {
                    for request in transport.requests {
                        let lines = request.split(separator: "\r\n")
                        let target = lines[0].dropFirst("GET /".count).dropLast(" HTTP/1.1".count)
                        let number = try #require(Int(target))
                        let pad = lines.first { $0.hasPrefix("X-Pad: ") }?.dropFirst("X-Pad: ".count) ?? ""
                        #expect(pad == String(repeating: Self.letter(of: number), count: lengths[number]))
                        #expect(seen.insert(number).inserted)
                    }
                    transport.forget()
                }
                #expect(seen.union(doomed).count == 100)
            }
        }
    }

    private static func letter(of number: Int) -> Character { Character(UnicodeScalar(UInt8(97 + number % 26))) }

    @Test(
        "of a deferred request that finds no room, or room for a part, the rest follows when there is",
        arguments: [0, 20]
    )
    func partly(taken: Int) async throws {
        try await withIdle(2) { session, record in
            record.value.outcomes = taken == 0 ? [.isFull] : [.takes(taken), .isFull]
            let tasks = (0..<2).map { number in
                EventLoop.spawn { try await session.get("http://script.test/\(number)").text() }
            }
            await until { record.value.lines.contains { $0 == "full by its task" || $0 == "full behind the jobs" } }
            await turn()
            for transport in record.value.transports { transport.descriptor.signal(.writable) }
            for task in tasks {
                let text = try await task.value
                #expect(text == "ok")
            }
            #expect(record.value.lines.contains("full behind the jobs"))
            #expect(record.value.lines.last == "sent by its task")
            #expect(await session.statistics.idle == 2)
        }
    }

    @Test("a kept connection that breaks under a deferred request has it sent again, on a new one")
    func brokenKept() async throws {
        try await withIdle(2) { session, record in
            record.value.outcomes = [.fails(.connectionReset)]
            try await fetch(2, with: session)
            #expect(record.value.lines.first == "broken behind the jobs")
            #expect(record.value.peers == 3)
            #expect(await session.statistics.idle == 2)
        }
    }

    @Test("a new connection that breaks under a deferred request says so")
    func brokenNew() async throws {
        try await withIdle(0) { session, record in
            record.value.outcomes = [.fails(.brokenPipe), .fails(.brokenPipe)]
            let tasks = (0..<2).map { number in
                EventLoop.spawn { try await session.get("http://script.test/\(number)").text() }
            }
            for task in tasks {
                let error = await clientError { try await task.value }
                #expect(error?.code == .connectionClosed)
            }
            #expect(record.value.lines.contains("broken behind the jobs"))
            #expect(record.value.open == 0)
        }
    }

    @Test("a request that is cancelled before its slice is over is not written, and its connection closes")
    func cancelled() async throws {
        try await withIdle(2) { session, record in
            let request = EventLoop.spawn { try await session.get(someURL).text() }
            // Of the same slice, behind it.
            let canceller = EventLoop.spawn { request.cancel() }
            await #expect(throws: CancellationError.self) { try await request.value }
            try await canceller.value
            #expect(record.value.lines == [])
            #expect(record.value.open == 1)
        }
    }

    @Test("a session that is aborted before the slice is over writes nothing more")
    func aborted() async throws {
        try await withIdle(2) { session, record in
            let request = EventLoop.spawn { try await session.get(someURL).text() }
            let ender = EventLoop.spawn { await session.close() }
            let error = await clientError { try await request.value }
            #expect(error?.code == .sessionClosed)
            try await ender.value
            #expect(record.value.lines == [])
            #expect(record.value.open == 0)
        }
    }
}
