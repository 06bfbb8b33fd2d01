import Apus
import ApusTesting
import ArgumentParser
import HTTPTypes
import Synchronization
import Testing

@testable import ApusCLI

@Suite struct BenchTests {
    /// Runs a bench against a server on the same loop, and says what came out.
    private func bench(
        _ limit: BenchJob.Limit,
        connections: Int = 4,
        path: String = "/",
        method: HTTPRequest.Method = .get,
        headers: HTTPFields = [:],
        body: RequestBody? = nil,
        _ answer: @escaping @Sendable (ServerRequest) async throws -> ServerResponse
    ) async throws -> BenchReport {
        try await EventLoop.with {
            let server = try await HTTPServer.start(handler: answer)
            let statistics = RunStatistics(clock: .started())
            let job = BenchJob(
                uri: try URI("http://\(server.address)\(path)"),
                method: method,
                headers: headers,
                body: body,
                connections: connections,
                limit: limit,
                statistics: statistics
            )
            let result: Result<Void, any Error>
            do { result = .success(try await job.run()) } catch { result = .failure(error) }
            await server.shutdown()
            try result.get()
            return BenchReport(
                job: job,
                snapshot: statistics.snapshot(hosts: 0),
                processorTime: .milliseconds(1),
                wasInterrupted: false
            )
        }
    }

    @Test func itSendsAsManyRequestsAsItIsToldOverSoManyConnections() async throws {
        let seen = Mutex((count: 0, peers: Set<String>()))
        let report = try await bench(.requests(101), connections: 3) { request in
            seen.withLock {
                $0.count += 1
                if let peer = request.remoteAddress { $0.peers.insert("\(peer)") }
            }
            return .text("hello")
        }
        #expect(seen.withLock { $0.count } == 101)
        #expect((1...3).contains(seen.withLock { $0.peers.count }))
        #expect(report.snapshot.fetched == 101)
        #expect(report.snapshot.bytes == 505)
        #expect(report.snapshot.statuses.map(\.count) == [101])
        #expect(report.snapshot.latency.count == 101)
    }

    @Test func whatIsNoSuccessIsCountedByItsKind() async throws {
        let report = try await bench(.requests(10)) { _ in .status(.serviceUnavailable) }
        #expect(report.snapshot.failed == 10)
        #expect(report.snapshot.statuses.map(\.status) == [503])
        let text = report.lines(width: 80, isUTF8: true).map(\.text).joined(separator: "\n")
        #expect(text.contains("503 × 10"))
    }

    @Test func nobodyThereIsAnErrorOfEachRequest() async throws {
        let statistics = RunStatistics(clock: .started())
        try await EventLoop.with {
            let server = try await HTTPServer.start { _ in .status(.ok) }
            let address = server.address
            await server.shutdown()
            let job = BenchJob(
                uri: try URI("http://\(address)/"),
                connections: 2,
                limit: .requests(5),
                statistics: statistics
            )
            try await job.run()
        }
        #expect(statistics.snapshot(hosts: 0).failures.map(\.code) == ["connectionRefused"])
        #expect(statistics.snapshot(hosts: 0).failed == 5)
    }

    @Test func theRequestIsTheOneThatWasAskedFor() async throws {
        let seen = Mutex("")
        _ = try await bench(
            .requests(1),
            path: "/a?b=c",
            method: .post,
            headers: [.accept: "text/x"],
            body: .bytes([104, 105], contentType: "application/x-www-form-urlencoded")
        ) { request in
            let accept = request.headers[.accept] ?? ""
            let type = request.headers[.contentType] ?? ""
            seen.withLock { $0 = "\(request.method) \(request.target) \(accept) \(type)" }
            return .status(.ok)
        }
        #expect(seen.withLock { $0 } == "POST /a?b=c text/x application/x-www-form-urlencoded")
    }

    /// A server that stops for a second at a rate of ten a second makes ten requests late, and not one.
    @Test func withARateWaitingCountsFromWhenARequestWasDue() async throws {
        let snapshot: RunSnapshot = try await withVirtualTime {
            let clock = try #require(EventLoop.current).clock
            let start = clock.now
            let count = Atomic(0)
            let transport = MockTransport { _ in
                let number = count.wrappingAdd(1, ordering: .relaxed).newValue
                if number == 11 { try await sleep(for: .seconds(1)) }
                return .text("x")
            }
            let statistics = RunStatistics(clock: RunClock { start.duration(to: clock.now) })
            let job = BenchJob(
                uri: try URI("http://h.example/"),
                connections: 1,
                limit: .time(.seconds(5)),
                rate: 10,
                statistics: statistics
            )
            let session = ClientSession.mocked(transport)
            try await job.run(session)
            await session.close()
            return statistics.snapshot(hosts: 0)
        }
        #expect(snapshot.fetched == 50)
        // 1.0 s, 0.9 s, 0.8 s, … of ten requests; the other forty were answered at once.
        #expect(snapshot.latency.maximum == .seconds(1))
        #expect(snapshot.latency.percentile(80) < .milliseconds(10))
        #expect(snapshot.latency.percentile(91) > .milliseconds(450))
    }

    @Test func aScheduleEndsWithItsTimeOrItsCount() async throws {
        let turns: ([BenchSchedule.Turn], Bool, BenchSchedule.Turn, Int) = try await withVirtualTime {
            let clock = try #require(EventLoop.current).clock
            let start = clock.now
            let statistics = RunStatistics(clock: RunClock { start.duration(to: clock.now) })
            let counted = BenchSchedule(.requests(2), nil, start: start, BenchProgress())
            let first = (0..<3).map { _ in counted.next(start, statistics) }
            let progress = BenchProgress()
            let timed = BenchSchedule(.time(.seconds(1)), 4, start: start, progress)
            let second = timed.next(start, statistics)
            // Late: three were due before the end, and none can be sent any more.
            let third = timed.next(start.advanced(by: .seconds(2)), statistics)
            return (first, second == .at(start), third, progress.unsent.load(ordering: .relaxed))
        }
        #expect(turns.0 == [.now, .now, .over])
        #expect(turns.1)
        #expect(turns.2 == .over)
        #expect(turns.3 == 3)
    }

    @Test func theResultIsAnObjectOfJSON() async throws {
        let report = try await bench(.requests(3)) { _ in .text("abc") }
        let json = report.json
        #expect(json.hasPrefix("{\"url\":\"http://127.0.0.1:"))
        for text in [
            "\"requests\":3,", "\"failed\":0,", "\"statuses\":{\"200\":3}", "\"errors\":{}", "\"p99.9\":",
            "\"bytes\":9,",
        ] {
            #expect(json.contains(text), "\(text)")
        }
        #expect(!json.contains("\n"))
    }

    @Test func optionsThatCannotBeMeantAreRefused() {
        for arguments in [
            ["--connections", "0", "http://h/"], ["--duration", "0", "http://h/"], ["--requests", "0", "http://h/"],
            ["--rate", "0", "http://h/"], ["--requests", "1", "--duration", "1", "http://h/"],
            ["--timeout", "0", "http://h/"], [],
        ] {
            #expect(throws: (any Error).self) { try BenchCommand.parse(arguments) }
        }
        #expect(throws: (any Error).self) { try BenchRequestOptions.parse(["--header", "no colon"]).parsedHeaders() }
        #expect(throws: (any Error).self) { try BenchRequestOptions.parse(["--header", "a: b\u{1}"]).parsedHeaders() }
        #expect(throws: (any Error).self) { try BenchRequestOptions.parse(["--method", "no method"]).parsedMethod() }
    }

    @Test func whatWasDueAndNotSentIsCountedAtOnceHoweverMuchItIs() async throws {
        let (turns, unsent): ([BenchSchedule.Turn], Int) = try await withVirtualTime {
            let statistics = RunStatistics(clock: .started())
            let progress = BenchProgress()
            let start = try #require(EventLoop.current).clock.now
            let schedule = BenchSchedule(.time(.seconds(3_600)), 1e7, start: start, progress)
            let late = start.advanced(by: .seconds(3_600))
            let turns = [
                schedule.next(start, statistics), schedule.next(late, statistics), schedule.next(late, statistics),
            ]
            return (turns, progress.unsent.load(ordering: .relaxed))
        }
        #expect(turns == [turns[0], .over, .over])
        #expect(turns[0] != .over)
        // All but the first.
        #expect(unsent == 36_000_000_000 - 1)
    }
}
