import Apus
import ApusTesting
import Foundation
import Glibc
import Synchronization
import Testing

@testable import ApusCLI

/// Runs whose state file cannot be written, killed or not, of the real command. The largest file that it may write stands for the state's disk:
/// 4,096 bytes are its head, and are enough for a short report.
struct FetchKillTests {
    /// A report says nothing twice, though the state does not know what it says.
    @Test(arguments: [8, nil]) func whatIsReportedIsNotFetchedAgainAfterAKill(blocks: Int?) async throws {
        try await withBench { bench in
            let counter = Counter()
            let gate = AsyncEvent()
            try await TestServer.with({ request in
                // The last one never comes in the first run.
                if counter.add(request.path) <= 10, request.path == "/10" { try await gate.wait() }
                return .text(request.path)
            }) { server in
                let arguments = ["-c", "3", "-o", "out", "--state", "s", "--report", "r", server.url("/{1..10}")]
                let run = try ApusProcess(["fetch"] + arguments, folder: bench.folder, blocks: blocks)
                while (bench.read("r") ?? "").count(where: { $0 == "\n" }) < 9 { await Task.yield() }
                while blocks != nil, !run.errors.contains("cannot write s: File too large") { await Task.yield() }
                run.send(SIGKILL)
                let killed = try await run.wait()
                #expect(killed.code == 128 + SIGKILL)
                gate.set()
                // A line that the kill left half written, and one of a run with another input.
                let other =
                    #"{"n":10,"place":"a","outcome":"fetched","url":"http://other/","bytes":0,"attempts":1,"seconds":1}"#
                try bench.append(other + "\n" + #"{"n":10,"pl"#, to: "r")
                let rest = try await ApusProcess(["fetch", "--resume"] + arguments, folder: bench.folder).wait()
                #expect(rest.code == 0, "\(rest.errors)")
                #expect(try bench.report("r").map(\.n) == Array(1...10) + [10])
                // The last one may have been asked for before the kill.
                #expect(counter.names.filter { $0.value > 1 && $0.key != "/10" } == [:])
                let total = counter.total
                let idle = try await ApusProcess(["fetch", "--resume"] + arguments, folder: bench.folder).wait()
                #expect(idle.code == 0)
                #expect(counter.total == total)
            }
        }
    }

    @Test func aStateThatCannotBeWrittenDoesNotEndTheRun() async throws {
        try await withBench { bench in
            try await withCountingServer { server, counter in
                let cases: [(options: [String], total: Int, advice: String)] = [
                    (["--report", "r"], 10, "--resume takes what is done from the report"),
                    ([], 20, "--resume fetches again what could not be noted"),
                ]
                for (options, total, advice) in cases {
                    counter.forget()
                    let arguments = options + ["-o", "out", "--state", "s\(total)", server.url("/{1..10}")]
                    let run = try await ApusProcess(["fetch"] + arguments, folder: bench.folder, blocks: 8).wait()
                    #expect(run.code == 1)
                    #expect(run.lines.count == 10)
                    #expect(bench.files("out").count == 10)
                    #expect(run.errors.contains("cannot write s\(total): File too large; what does not fit"))
                    #expect(run.errors.contains("cannot write s\(total): File too large; \(advice)"), "\(run.errors)")
                    let rest = try await ApusProcess(["fetch", "--resume"] + arguments, folder: bench.folder).wait()
                    #expect(rest.code == 0)
                    #expect(counter.total == total)
                }
                #expect(try bench.report("r").map(\.n) == Array(1...10))
            }
        }
    }

    @Test func aReportIsOneRunsAtATime() async throws {
        try await withBench { bench in
            let isAsked = AsyncEvent()
            let gate = AsyncEvent()
            try await TestServer.with({ _ in
                isAsked.set()
                try await gate.wait()
                return .text("x")
            }) { server in
                let run = try bench.start("--report", "r", "-o", "out", server.url("/1"))
                try await isAsked.wait()
                let second = try await bench.fetch("--report", "r", server.url("/2"))
                #expect(second.code == 2)
                #expect(second.errors.contains("the report r is in use by another run"))
                gate.set()
                let first = try await run.wait()
                #expect(first.code == 0)
                #expect(try bench.report("r").map(\.n) == [1])
            }
        }
    }

    @Test func twentyRunsInOneFolderDoNotDisturbEachOther() async throws {
        try await withBench { bench in
            try await TestServer.with({ .text($0.path) }) { server in
                let url = server.url("/{1..3}/{1..3}")
                let runs = try (0..<20).map { _ in try bench.start("-o", "out", "--tree", url) }
                for run in runs {
                    let outcome = try await run.wait()
                    #expect(outcome.code == 0, "\(outcome.errors)")
                }
                #expect(bench.files("out").count == 9)
                let left = try listFolder(bench.folder + "/out")
                #expect(left.count == 1)
            }
        }
    }

    /// What a run left that went on beside another one is in a folder of its own.
    @Test func aPartFromTheTimeOfTwoRunsIsContinued() async throws {
        try await withBench { bench in
            let isAsked = AsyncEvent()
            let other = try await FaultyServer.start { _ in [.expectRequest, .perform { isAsked.set() }, .stall] }
            let whole = String((0..<600_000).map { Character(UnicodeScalar(UInt8(97 + $0 % 26))) })
            let head = "HTTP/1.1 200 OK\r\nETag: \"one\"\r\nContent-Length: 600000\r\n\r\n"
            let server = try await FaultyServer.start { connection in
                if connection == 0 { return [.expectRequest, .send(head + whole.prefix(400_000)), .finish] }
                return [
                    .expectRequest,
                    .send("HTTP/1.1 206 Partial Content\r\nETag: \"one\"\r\n"),
                    .send("Content-Range: bytes 400000-599999/600000\r\nContent-Length: 200000\r\n\r\n"),
                    .send(String(whole.suffix(200_000))),
                ]
            }
            let beside = try bench.start("-o", "out", "--grace", "0", other.url + "/")
            try await isAsked.wait()
            let first = try await bench.fetch("-o", "out", "--state", "s", "--retries", "0", server.url + "/file")
            #expect(first.code == 1)
            beside.send(SIGINT)
            let interrupted = try await beside.wait()
            #expect(interrupted.code == 130)
            let folders = try listFolder(bench.folder + "/out")
            #expect(folders == [".apus-partial-2"])
            let rest = try await bench.fetch("-o", "out", "--state", "s", "--resume", server.url + "/file")
            #expect(rest.code == 0, "\(rest.output)")
            #expect(bench.read("out/file") == whole)
            let left = try listFolder(bench.folder + "/out")
            #expect(left == ["file"])
            await other.stop()
            await server.stop()
        }
    }
}

/// What is read back of a report.
struct ReportedItemsTests {
    private func item(_ number: Int, _ url: String) throws -> FetchItem {
        FetchItem(number: number, place: "a\"b:1", uri: try URI(url))
    }

    @Test func itemsAreKnownByNumberAndURLIfTheyAreDone() throws {
        try withScratchFolder { folder in
            let report = try ReportFile(folder + "/r", continues: false)
            let urls = ["http://h/1?a=%22%5c", "http://u:p@h/2", "http://h/3", "http://h/4"]
            var lines: [[UInt8]] = []
            for (index, url) in urls.enumerated() {
                let item = try item(index + 1, url)
                var result = FetchResult(
                    number: item.number,
                    place: item.place,
                    outcome: [.fetched, .unchanged, .failed, .fetched][index],
                    url: item.uri.withoutUserinfo
                )
                result.contentType = "\"\\\n"
                var line: [UInt8] = []
                ReportLine.append(result, to: &line)
                lines.append(line)
            }
            try report.write(Array("no line\n{\"n\":\n\n".utf8) + lines[3])
            let mark = try #require(report.mark)
            try report.write(lines[0] + lines[1] + lines[2])
            let items = ReportedItems(report, after: mark)
            for (index, isKnown) in [true, true, false, false].enumerated() {
                #expect(items.contains(try item(index + 1, urls[index])) == isKnown)
            }
            #expect(!items.contains(try item(2, urls[0])))
            #expect(!items.contains(try item(1, "http://h/1")))
            items.remove(try item(1, urls[0]))
            #expect(!items.contains(try item(1, urls[0])))
            #expect(!items.isEmpty)
            items.remove(try item(2, urls[1]))
            #expect(items.isEmpty)
            // Another file with the same name.
            var other = mark
            other.inode += 1
            #expect(ReportedItems(report, after: other).isEmpty)
            // It was emptied since.
            other = mark
            other.size = report.size + 1
            #expect(ReportedItems(report, after: other).isEmpty)
        }
    }

    @Test func aMarkIsReadAsItWasWritten() throws {
        let mark = ReportMark(device: .max, inode: .max, size: .max)
        #expect(mark.bytes.count == ReportMark.room)
        #expect(ReportMark(bytes: mark.bytes) == mark)
        for index in [0, 8, 20, 90] {
            var bytes = mark.bytes
            bytes[index] ^= 1
            #expect(ReportMark(bytes: bytes) == nil, "\(index)")
        }
        #expect(ReportMark(bytes: [UInt8](repeating: 0, count: ReportMark.room)) == nil)
        #expect(ReportMark(bytes: []) == nil)
    }

    @Test func theStateKeepsTheMark() throws {
        try withScratchFolder { folder in
            let identity = try RunIdentity(arguments: ["http://h/"], input: nil, output: nil, tree: false)
            let mark = ReportMark(device: 1, inode: 2, size: 3)
            do {
                let state = try FetchState.open(path: folder + "/s", identity: identity, resume: false)
                #expect(state.reportMark == nil)
                state.markDone(1)
                try state.note(mark)
                try state.close()
            }
            let state = try FetchState.open(path: folder + "/s", identity: identity, resume: true)
            #expect(state.reportMark == mark)
            #expect(state.isDone(1) && !state.isDone(2))
        }
    }
}
