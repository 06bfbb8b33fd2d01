import Apus
import Testing

@testable import ApusCLI

@Suite struct RunStatisticsTests {
    private let clock = HandClock()

    @Test func everyItemIsCountedOnce() {
        let statistics = RunStatistics(clock: clock.clock)
        statistics.setTotal(10)
        statistics.add(.fetched(200, bytes: 100))
        statistics.add(.fetched(404, bytes: 7))
        statistics.add(.failed("connectTimeout"))
        var unchanged = FetchResult.fetched(304)
        unchanged.outcome = .unchanged
        statistics.add(unchanged)
        statistics.finished(FetchResult(number: 5, place: "urls.txt:5", outcome: .failed), host: nil)
        statistics.finished(FetchResult(number: 6, place: "urls.txt:6", outcome: .skipped), host: "a.example:80")
        statistics.addSkipped(2)
        statistics.began(host: "b.example:80")
        statistics.retrying(host: "b.example:80")
        let snapshot = statistics.snapshot(hosts: 10)
        #expect(snapshot.fetched == 1)
        #expect(snapshot.unchanged == 1)
        #expect(snapshot.failed == 3)
        #expect(snapshot.skipped == 3)
        #expect(snapshot.inFlight == 1)
        #expect(snapshot.retries == 1)
        #expect(snapshot.bytes == 107)
        #expect(snapshot.left?.count == 2)
        #expect(snapshot.statuses.map(\.status) == [200, 304, 404])
        #expect(snapshot.failures.map(\.code) == ["connectTimeout"])
        // Neither the line that is no URL nor what was skipped took any time.
        #expect(snapshot.latency.count == 4)
    }

    @Test func whatIsLeftIsToldAsItIsKnown() {
        let statistics = RunStatistics(clock: clock.clock)
        #expect(statistics.snapshot(hosts: 0).left == nil)
        #expect(statistics.snapshot(hosts: 0).fraction == nil)
        for _ in 0..<25 { statistics.add(.fetched()) }
        statistics.setTotal(100, isExact: false)
        #expect(statistics.snapshot(hosts: 0).left?.count == 75)
        #expect(statistics.snapshot(hosts: 0).left?.isExact == false)
        #expect(statistics.snapshot(hosts: 0).fraction == 0.25)
        // A guess that was too low.
        statistics.setTotal(20, isExact: false)
        #expect(statistics.snapshot(hosts: 0).left?.count == 0)
        #expect(statistics.snapshot(hosts: 0).fraction == 1)
    }

    @Test func memoryIsBoundedHoweverManyHostsAndErrorsThereAre() {
        let statistics = RunStatistics(clock: clock.clock)
        for index in 0..<50_000 {
            clock.advance(.milliseconds(1))
            statistics.add(.fetched(200, bytes: 10, in: .milliseconds(5)), host: "h\(index).example:80")
        }
        for index in 0..<1_000 { statistics.add(.failed("code\(index)"), host: "h\(index).example:80") }
        let snapshot = statistics.snapshot(hosts: 100_000)
        #expect(snapshot.hostCount <= 2_048)
        #expect(snapshot.failures.count <= 101)
        #expect(snapshot.failures.reduce(0) { $0 + $1.count } == 1_000)
        #expect(snapshot.series.slices.count <= ThroughputSeries.limit)
        let listed = snapshot.slowest.reduce(0) { $0 + $1.figures.done }
        #expect(listed + (snapshot.otherHosts?.done ?? 0) == 51_000)
    }

    @Test func bytesThatComeWithoutAnyEndAreInTheirSlices() {
        let statistics = RunStatistics(clock: clock.clock)
        statistics.began(host: "a")
        for _ in 0..<10 {
            clock.advance(.milliseconds(50))
            statistics.received(bytes: 1_000, host: "a")
        }
        let slices = statistics.snapshot(hosts: 0).series.slices
        #expect(slices.reduce(0) { $0 + $1.bytes } == 10_000)
        #expect(slices.filter { $0.bytes > 0 }.count == 10)
    }

    @Test func itemsFromManyThreadsAreAllCounted() async {
        let statistics = RunStatistics(clock: clock.clock)
        await withTaskGroup(of: Void.self) { group in
            for task in 0..<8 {
                group.addTask {
                    for _ in 0..<1_000 { statistics.add(.fetched(200, bytes: 3), host: "h\(task)") }
                }
            }
        }
        let snapshot = statistics.snapshot(hosts: 10)
        #expect(snapshot.fetched == 8_000)
        #expect(snapshot.bytes == 24_000)
        #expect(snapshot.inFlight == 0)
    }
}

@Suite struct HostTableTests {
    @Test func aSlowHostStaysAmongManyFastOnes() throws {
        var table = HostTable(capacity: 16)
        for round in 0..<1_000 {
            let host = round % 10 == 0 ? "slow" : "fast\(round)"
            table.began(host, at: 0)
            let time: Int64 = host == "slow" ? 2_000_000_000 : 10_000_000
            table.finished(host, time, isFailure: false, bytes: 0, hadBegun: true, at: 0)
        }
        #expect(table.hosts.count <= 32)
        let slowest = try #require(table.slowest(1, at: .zero).first)
        #expect(slowest.name == "slow")
        #expect(slowest.host.done == 100)
        #expect(slowest.host.mean == .seconds(2))
        #expect(table.total.done == 1_000)
    }

    /// Else its answer would find no host to be counted with.
    @Test func whoIsAskedJustNowStays() {
        var table = HostTable(capacity: 4)
        for index in 0..<50 { table.began("busy\(index)", at: 0) }
        for index in 0..<500 {
            table.finished("idle\(index)", 1_000_000_000, isFailure: false, bytes: 0, hadBegun: false, at: 0)
        }
        #expect((0..<50).allSatisfy { table.hosts["busy\($0)"]?.inFlight == 1 })
        #expect(table.hosts.count < 200)
    }

    @Test func aHostThatHangsIsTheSlowest() {
        var table = HostTable()
        table.finished("slow", 3_000_000_000, isFailure: false, bytes: 0, hadBegun: false, at: 3_000_000_000)
        table.began("hangs", at: 1_000_000_000)
        #expect(table.slowest(2, at: .seconds(2)).map(\.name) == ["slow", "hangs"])
        #expect(table.slowest(2, at: .seconds(10)).map(\.name) == ["hangs", "slow"])
        #expect(table.slowest(1, at: .seconds(10)).map(\.name) == ["hangs"])
    }
}

@Suite struct ThroughputSeriesTests {
    @Test func slicesDoubleAndNothingIsLost() {
        var series = ThroughputSeries()
        for second in 0..<3_600 { series.update(at: .seconds(second)) { $0.fetched += 1 } }
        #expect(series.slices.count <= ThroughputSeries.limit)
        #expect(series.slices.reduce(0) { $0 + $1.fetched } == 3_600)
        #expect(series.width == .milliseconds(50) * 512)
        // Each whole one has as many as it is long.
        #expect(series.slices.dropLast().allSatisfy { (25...26).contains($0.fetched) })
    }

    @Test func aClockThatStandsStillOrGoesBackIsNoTrouble() {
        var series = ThroughputSeries()
        series.update(at: .seconds(-1)) { $0.bytes += 1 }
        series.update(at: .zero) { $0.bytes += 1 }
        #expect(series.slices.map(\.bytes) == [2])
    }
}
