import Logging
import Testing

@testable import ApusRuntime

/// What a loop in debug mode, or not, reports.
private func reports(
    debug: Bool = false,
    _ body: @escaping @Sendable (EventLoop) async throws -> Void
) async throws -> [UnhandledError] {
    let reports = Recorder<UnhandledError>()
    var options = EventLoop.Options()
    options.name = "test"
    options.clock = .virtual
    options.debug = debug
    options.blockThreshold = .seconds(3600)
    options.exceptionHandler = reports.note
    try await EventLoop.with(options) { try await body(try currentLoop()) }
    return reports.all
}

@Suite("UnhandledError: A38, A53")
struct UnhandledErrorTests {
    @Test("A53: of a spawned task it has, in debug mode, the task's id and where it was started")
    func spawned() async throws {
        let line = #line + 3
        let reports = try await reports(debug: true) { loop in
            // One line.
            _ = loop.spawn(name: "loser") { throw Oops(number: 1) }
            await turns()
        }
        let report = try #require(reports.first)
        #expect(reports.count == 1)
        #expect(report.taskName == "loser")
        #expect(report.taskID != nil)
        #expect(report.loop == "test")
        #expect(report.fileDescriptor == nil)
        let site = try #require(report.creationSite?.place)
        #expect(site.file?.hasSuffix("UnhandledErrorTests.swift") == true && site.line == line, "\(site)")
        let text = "\(report)"
        #expect(text.contains("UnhandledErrorTests.swift:\(line)"), "\(text)")
        #expect(text.contains("Await the `value` of its handle"))
    }

    @Test("A53: without debug mode it has neither, and says the same otherwise")
    func withoutDebug() async throws {
        let reports = try await reports { loop in
            _ = loop.spawn(name: "loser") { throw Oops(number: 1) }
            await turns()
        }
        let report = try #require(reports.first)
        #expect(report.taskID == nil && report.creationSite == nil)
        #expect(
            "\(report)"
                == "Task “loser” on event loop “test” ended with an error that nobody received: \(Oops(number: 1)). "
                + "Await the `value` of its handle, or catch the error inside."
        )
    }

    @Test("a combinator's child has no handle: what is advised is what can be done there")
    func children() async throws {
        let reports = try await reports { _ in
            _ = try? await gather([0, 1]) { index in
                if index == 1 { throw Oops(number: 1) }
                do { try await untilCancelled() } catch { throw Oops(number: 2) }
            }
            _ = try? await race([0, 1]) { index in
                if index == 1 { return }
                do { try await untilCancelled() } catch { throw Oops(number: 3) }
            }
            _ = try? await firstSuccess([0, 1]) { index in
                if index == 1 { return }
                do { try await untilCancelled() } catch { throw Oops(number: 4) }
            }
        }
        #expect(reports.map(\.taskName) == ["gather[0]", "race[0]", "firstSuccess[0]"])
        let texts = reports.map { "\($0)" }
        #expect(texts.allSatisfy { !$0.contains("handle") && $0.contains("Child “") })
        #expect(texts[0].contains("gatherResults"))
        #expect(texts[2].contains("onFailure"))
        #expect(reports.compactMap { ($0.error as? Oops)?.number } == [2, 3, 4])
    }

    @Test(
        "A56: an IOHandle that is dropped unclosed is told in debug mode, with its place; a closed one is not",
        arguments: [true, false]
    )
    func droppedHandle(debug: Bool) async throws {
        let lines = Recorder<String>()
        var options = EventLoop.Options()
        options.debug = debug
        options.blockThreshold = .seconds(3600)
        options.logger = Logger(label: "test") { _ in LineHandler(lines) }
        let pair = try SocketPair()
        let line = try await EventLoop.with(options) {
            try IOHandle(pair.near).close()
            await turns(5)
            #expect(lines.count == 0)
            let line = #line + 1
            _ = try IOHandle(pair.near)
            await turns(5)
            // What was dropped is closed: the descriptor can be watched anew.
            try IOHandle(pair.near).close()
            return line
        }
        // Also out of debug mode, where the loop's end does not wait for reports.
        DebugReports.finish()
        #expect(lines.count == (debug ? 1 : 0))
        if debug {
            let text = try #require(lines.all.first)
            #expect(text.contains("IOHandle of descriptor \(pair.near)"), "\(text)")
            #expect(text.contains("UnhandledErrorTests.swift:\(line)"), "\(text)")
        }
        pair.close()
    }
}

/// Notes what is logged.
struct LineHandler: LogHandler {
    let recorder: Recorder<String>
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.warning

    init(_ recorder: Recorder<String>) { self.recorder = recorder }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) { recorder.note("\(event.message)") }
}
