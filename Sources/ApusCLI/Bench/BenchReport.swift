import Apus

/// What came out of a bench.
struct BenchReport: Sendable {
    var url: String
    var method: String
    var connections: Int
    var rate: Double?
    var unsent: Int
    var snapshot: RunSnapshot
    var processorTime: Duration
    var wasInterrupted: Bool

    init(job: BenchJob, snapshot: RunSnapshot, processorTime: Duration, wasInterrupted: Bool) {
        url = job.uri.redacted
        method = job.method.rawValue
        connections = job.connections
        rate = job.rate
        unsent = job.unsent
        self.snapshot = snapshot
        self.processorTime = processorTime
        self.wasInterrupted = wasInterrupted
    }

    private var seconds: Double { max(snapshot.elapsed.inSeconds, 1e-9) }
    private var requestsPerSecond: Double { Double(snapshot.done) / seconds }
    private var bytesPerSecond: Double { min(Double(snapshot.bytes) / seconds, 1e18) }
    private var timePerRequest: Duration { snapshot.done == 0 ? .zero : processorTime / snapshot.done }

    func lines(width: Int, isUTF8: Bool) -> [StyledLine] {
        var lines = [
            headline,
            labelled(
                "rate",
                [
                    ("\(Format.rate(requestsPerSecond))/s", .bold), ("\(Format.bytes(Int(bytesPerSecond)))/s", .plain),
                    (
                        "\(Format.number(snapshot.done)) requests, \(Format.bytes(snapshot.bytes)) in \(Format.time(snapshot.elapsed))",
                        .dim
                    ),
                ]
            ),
        ]
        if let rate {
            var text = "\(Format.rate(rate))/s were due"
            if unsent > 0 { text += "; \(Format.number(unsent)) requests were not sent, for want of a free connection" }
            lines.append(labelled("", [(text, unsent > 0 ? .yellow : .dim)]))
        }
        if !snapshot.statuses.isEmpty {
            lines.append(
                labelled(
                    "status",
                    snapshot.statuses.map { ("\($0.status) × \(Format.number($0.count))", LiveFrame.style($0.status)) }
                )
            )
        }
        for (index, failure) in snapshot.failures.enumerated() {
            lines.append(
                labelled(
                    index == 0 ? "errors" : "",
                    [
                        ("\(Format.harmless(failure.code)) × \(Format.number(failure.count))", .red),
                        (TerminalText.cut(Format.harmless(failure.example), to: 2 * width), .dim),
                    ]
                )
            )
        }
        if snapshot.latency.count > 0 {
            lines.append(Summary.latency(snapshot.latency))
            lines += Summary.picture(snapshot.latency, width: width, isUTF8: isUTF8)
            let share = Format.decimal(processorTime.inSeconds / seconds * 100, 0)
            lines.append(
                labelled(
                    "CPU",
                    [
                        ("\(Format.time(timePerRequest)) a request", .plain),
                        ("of this program; \(share) % of a core", .dim),
                    ]
                )
            )
        }
        return lines.flatMap { $0.wrapped(to: width) }
    }

    /// One object, in one line.
    var json: String {
        func number(_ value: Double) -> String { Format.decimal(value, 3) }
        func micros(_ time: Duration) -> String { number(time.inSeconds * 1e6) }
        let percentiles = Summary.percentiles.map { "\"\($0.name)\":\(micros(snapshot.latency.percentile($0.value)))" }
        let statuses = snapshot.statuses.map { "\"\($0.status)\":\($0.count)" }
        let failures = snapshot.failures.map { "\(Self.quoted($0.code)):\($0.count)" }
        let fields = [
            "\"url\":\(Self.quoted(url))",
            "\"method\":\(Self.quoted(method))",
            "\"connections\":\(connections)",
            "\"wantedRate\":\(rate.map(number) ?? "null")",
            "\"seconds\":\(number(seconds))",
            "\"requests\":\(snapshot.done)",
            "\"failed\":\(snapshot.failed)",
            "\"unsent\":\(unsent)",
            "\"rate\":\(number(requestsPerSecond))",
            "\"bytes\":\(snapshot.bytes)",
            "\"bytesPerSecond\":\(number(bytesPerSecond))",
            "\"statuses\":{\(statuses.joined(separator: ","))}",
            "\"errors\":{\(failures.joined(separator: ","))}",
            "\"latencyMicroseconds\":{\"mean\":\(micros(snapshot.latency.mean)),\(percentiles.joined(separator: ","))}",
            "\"processorMicrosecondsPerRequest\":\(micros(timePerRequest))",
            "\"interrupted\":\(wasInterrupted)",
        ]
        return "{\(fields.joined(separator: ","))}"
    }

    private static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in Format.harmless(text).unicodeScalars {
            if scalar == "\"" || scalar == "\\" { result += "\\" }
            result.unicodeScalars.append(scalar)
        }
        return result + "\""
    }

    private var headline: StyledLine {
        var line = StyledLine()
        line.separator = ", "
        line.add("\(Format.harmless(method)) \(Format.harmless(url))", .bold)
        line.add(Format.count(connections, "connection"), .bold)
        if wasInterrupted { line.add("interrupted", .bold) }
        return line
    }

    private func labelled(_ label: String, _ pieces: [(text: String, style: StyledLine.Style)]) -> StyledLine {
        var line = Summary.labelled(label)
        for piece in pieces { line.add(piece.text, piece.style) }
        return line
    }
}
