// Apus beside the modules that programs import most: its names resolve, with the module's name before them and without.
//
// Tracing, NIOCore and AsyncAlgorithms are beside it in Tests/NeighbourTests: `EventLoop` is also a name of NIOCore's, and there
// `Apus.EventLoop` is what to write.

import Apus
import Dispatch
import Foundation
import FoundationEssentials
import Observation
import Synchronization

enum NameClashUse {
    static func run(_ base: String) async throws {
        try await Apus.sleep(for: .microseconds(1))
        try await sleep(for: .microseconds(1))
        let loop: Apus.EventLoop = EventLoop.current ?? Apus.EventLoop.shared
        try await Apus.sleep(until: loop.clock.now)
        let sum = try await Apus.withTimeout(.seconds(5)) { try await Apus.gather(1...3) { $0 }.reduce(0, +) }
        try expect(sum == 6, "gather by its full name")
        let task = EventLoop.spawn { 1 }
        let waited = try await wait([task])
        let again = try await Apus.wait([task])
        try expect(waited.done.count + again.done.count == 2, "wait is not the system's wait(2)")
        let first = try await Apus.race([1]) { number in try await Apus.retry { _ in number } }
        try expect(first == 1, "race and retry by their full names")
        let uri: URI = try Apus.URI("\(base)/hello")
        try expect(URL(string: uri.description)?.path == "/hello", "URI is not URL")
        let text = try await Apus.ClientSession.with { try await $0.get(uri).text() }
        try expect(text.trimmingCharacters(in: .whitespaces) == "hello", "with Foundation's help")
        let data = try await offload { Data("blocking".utf8) }
        try expect(data.count == 8, "Foundation's types cross threads")
        let error: any Error = Apus.TimeoutError(duration: .seconds(1))
        try expect(error is TimeoutError, "errors by both names")
        var response = Apus.ServerResponse.text("x")
        response.headers[.contentType] = "text/plain"
        try expect(response.status == HTTPResponse.Status.ok, "HTTPTypes' names, by re-export")
    }
}
