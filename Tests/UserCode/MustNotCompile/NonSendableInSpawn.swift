// error: capture of 'lines' with non-Sendable type 'Lines' in a '@Sendable' closure
import Apus

final class Lines {
    var all: [String] = []
}

func program(_ loop: EventLoop) async throws {
    let lines = Lines()
    let task = loop.spawn { lines.all.append("from the task") }
    lines.all.append("meanwhile")
    try await task.value
}
