import Apus
import ApusTesting
import ArgumentParser
import Glibc
import Testing

@testable import ApusCLI

/// How fast: options of the real command, and what becomes of their values, without a clock.
struct FetchRateTests {
    /// One URL in a quarter of an hour: meanwhile another run without a rate fetches two hundred, and the second is not begun.
    @Test func aRateHoldsBackWhatAnotherRunWouldFetch() async throws {
        try await withBench { bench in
            let counter = Counter()
            let server = try await HTTPServer.start(host: "0.0.0.0", port: 0) { request in
                counter.add(request.path)
                return .text("x")
            }
            let port = server.address.port ?? 0
            for (option, hosts, count) in [("--rate", "{1,2}", 1), ("--rate-per-host", "{1,2}", 2)] {
                counter.forget()
                let urls = "http://127.0.0.\(hosts):\(port)/slow{1..3}"
                let slow = try bench.start(option, "0.001", "-o", "slow", "--grace", "0", urls)
                while counter.total < count { await Task.yield() }
                let fast = try await bench.fetch("-o", "fast", "http://127.0.0.1:\(port)/{1..200}")
                #expect(fast.code == 0)
                #expect(counter.total == 200 + count)
                slow.send(SIGINT)
                let outcome = try await slow.wait()
                #expect(outcome.code == 130)
                #expect(counter.total == 200 + count)
            }
            await server.shutdown()
        }
    }

    /// Of two seconds, when the run has gone on for two.
    @Test func whatTheOptionsSayIsBegunEachSecond() throws {
        for (arguments, hosts, expected) in [
            (["--rate", "4"], ["a", "b"], 8), (["--rate-per-host", "2"], ["a", "b"], 8),
            (["--rate", "5", "--rate-per-host", "4"], ["a", "b"], 10), (["--rate", "0.5"], ["a"], 1),
        ] {
            let command = try FetchCommand.parse(arguments + ["-c", "100", "--per-host", "100", "http://h/"])
            var schedule = TransferSchedule(command.pace.limits)
            for number in 1...100 {
                for host in hosts {
                    let uri = try URI("http://\(host)/\(number)")
                    schedule.add(Transfer(FetchItem(number: number, place: "l", uri: uri)), at: 0)
                }
            }
            var counts = [0, 0, 0, 0]
            for step in 0..<4_000 {
                let now = Int64(step) * 1_000_000
                while let transfer = schedule.take(at: now) {
                    counts[step / 1_000] += 1
                    schedule.end(AttemptEnd(lane: transfer.lane, host: .answered), at: now)
                }
            }
            let steady = counts[2] + counts[3]
            #expect(steady == expected, "\(arguments) \(counts)")
        }
    }
}
