import Logging
import Synchronization

/// Keeps what a loop logs.
final class LogRecorder: Sendable {
    private let lines = Mutex<[(level: Logger.Level, text: String, metadata: String)]>([])

    /// Logs here.
    var logger: Logger {
        Logger(label: "test") { _ in Handler(recorder: self) }
    }

    func texts(_ level: Logger.Level) -> [String] {
        lines.withLock { $0.filter { $0.level == level }.map(\.text) }
    }

    /// Every line, of whatever level.
    var everything: [String] { lines.withLock { $0.map(\.text) } }

    /// What was told beside each line.
    var metadata: [String] { lines.withLock { $0.map(\.metadata) } }

    private struct Handler: LogHandler {
        let recorder: LogRecorder
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.trace

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            let all = metadata.merging(event.metadata ?? [:]) { $1 }.sorted { $0.key < $1.key }
            let beside = all.map { "\($0.key): \($0.value)" } + (event.error.map { ["\($0)"] } ?? [])
            recorder.lines.withLock {
                $0.append((event.level, "\(event.message)", beside.joined(separator: ", ")))
            }
        }
    }
}
