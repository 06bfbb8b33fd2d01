import Apus
import ApusTesting
import ArgumentParser
import HTTPTypes
import Testing

@testable import ApusCLI

/// One attempt, in virtual time.
struct FetchWorkerTests {
    /// Fetches one URL without retries, whose answer is this one.
    ///
    /// - Returns: how long it took, and the line of its result.
    private func fetch(_ response: MockResponse) async throws -> (time: Duration, line: String) {
        let log = WriteLog()
        let time: Duration = try await withVirtualTime {
            let loop = try #require(EventLoop.current)
            let console = Console(
                output: .fake(-2, isLive: false),
                error: .fake(-1, isLive: false),
                areSame: false,
                write: log.write
            )
            let watch = try FetchWatch(try WatchingOptions.parse([]), printsBody: false, console: console)
            let queue = FetchQueue(TransferSchedule.Limits(), on: loop)
            var plan = FetchPlan()
            plan.retry = RetryRule(retries: 0)
            let run = FetchRun(plan, queue: queue, watch: watch, record: nil, shown: .all)
            let item = FetchItem(number: 1, place: "argument-1", uri: try URI("http://h.example/x"))
            queue.add([Transfer(item)])
            queue.finish()
            let mock = MockTransport { _ in response }
            let session = ClientSession.mocked(mock)
            let start = loop.clock.now
            await FetchWorker(run: run, session: session, files: FileTrips()).work()
            let time = start.duration(to: loop.clock.now)
            await run.flush()
            await session.close()
            return time
        }
        return (time, log.all.map(\.text).joined())
    }

    @Test(arguments: [HTTPResponse.Status.notFound, .serviceUnavailable])
    func theBodyOfARefusalIsWaitedForTenSecondsAtMost(status: HTTPResponse.Status) async throws {
        var response = MockResponse.pieces([[1], [2]], every: .seconds(3_600))
        response.status = status
        let (time, line) = try await fetch(response)
        #expect(time == .seconds(10))
        #expect(line.hasPrefix("\(status.code) "))
        response.interval = .seconds(9)
        #expect(try await fetch(response).time == .seconds(9))
    }

    /// Its connection is not worth so much.
    @Test func theLargeBodyOfARefusalIsNotRead() async throws {
        var response = MockResponse.pieces(
            Array(repeating: [UInt8](repeating: 1, count: 20_000), count: 100),
            every: .seconds(1)
        )
        response.status = .notFound
        let (time, line) = try await fetch(response)
        #expect(time == .seconds(3))
        #expect(line.hasPrefix("404 "))
        response.headers[.contentLength] = "2000000"
        response.pieces = [[UInt8](repeating: 1, count: 2_000_000)]
        #expect(try await fetch(response).time == .zero)
    }
}
