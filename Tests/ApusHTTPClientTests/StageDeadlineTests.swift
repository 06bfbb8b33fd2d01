import ApusRuntime
import ApusTesting
import HTTPTypes
import Testing

@testable import ApusHTTPClient

/// Where the deadlines of a request's stages are counted from.
@Suite("Deadlines of stages")
struct StageDeadlineTests {
    @Test("a stage's limit begins when the stage does, however long the running job has held the loop before")
    func afterALongJob() async throws {
        try await withTestLoop {
            let loop = try #require(EventLoop.current)
            let session = ClientSession()
            let exchange = try session.exchange(
                .get,
                "http://stage.test/",
                [:],
                HTTPFields(),
                nil,
                nil,
                nil,
                Timeouts(),
                nil,
                nil
            )
            // The loop last looked at its clock before this job: until time has passed since, the two are the same.
            let lastLook = loop.now
            while loop.currentTime() <= lastLook {}
            #expect(exchange.deadline(0) > lastLook)
            #expect(exchange.deadline(.max) == .max)
            await session.close()
        }
    }
}
