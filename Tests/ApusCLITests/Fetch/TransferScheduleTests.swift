import Apus
import Testing

@testable import ApusCLI

/// Who is next, without clock and network.
struct TransferScheduleTests {
    private static let second: Int64 = 1_000_000_000

    private func schedule(
        concurrency: Int = 64,
        perHost: Int = 8,
        rate: Double? = nil,
        ratePerHost: Double? = nil,
        waiting: Int = 8_192
    ) -> TransferSchedule {
        TransferSchedule(
            .init(
                concurrency: concurrency,
                perHost: perHost,
                rate: rate,
                ratePerHost: ratePerHost,
                waiting: waiting
            )
        )
    }

    private func transfer(_ url: String, _ number: Int = 1) throws -> Transfer {
        Transfer(FetchItem(number: number, place: "list:\(number)", uri: try URI(url)))
    }

    private func answer(_ transfer: Transfer) -> AttemptEnd { AttemptEnd(lane: transfer.lane, host: .answered) }
    private func silence(_ transfer: Transfer) -> AttemptEnd { AttemptEnd(lane: transfer.lane, host: .silent) }

    /// Everything that may begin now.
    private func takeAll(_ schedule: inout TransferSchedule, at now: Int64) -> [Transfer] {
        var taken: [Transfer] = []
        while let transfer = schedule.take(at: now) { taken.append(transfer) }
        return taken
    }

    private func taken(_ schedule: inout TransferSchedule, at now: Int64) throws -> Transfer {
        let transfer = schedule.take(at: now)
        return try #require(transfer)
    }

    /// A schedule whose hosts have all answered once.
    private func known(_ hosts: [String], _ schedule: TransferSchedule) throws -> TransferSchedule {
        var schedule = schedule
        for host in hosts { schedule.add(try transfer("http://\(host)/first"), at: 0) }
        for transfer in takeAll(&schedule, at: 0) { schedule.end(answer(transfer), at: 0) }
        return schedule
    }

    @Test func hostsTakeTurnsAndKeepTheirLimit() throws {
        var schedule = try known(["a", "b"], schedule(concurrency: 10, perHost: 3))
        for number in 1...5 { schedule.add(try transfer("http://a/\(number)", number), at: 0) }
        for number in 6...10 { schedule.add(try transfer("http://b/\(number)", number), at: 0) }
        let taken = takeAll(&schedule, at: 0)
        #expect(taken.map(\.item.number) == [1, 6, 2, 7, 3, 8])
        schedule.end(answer(taken[1]), at: 0)
        #expect(takeAll(&schedule, at: 0).map(\.item.number) == [9])
    }

    @Test func noMoreRunThanThereArePlaces() throws {
        let hosts = (1...20).map { "h\($0)" }
        var schedule = try known(hosts, schedule(concurrency: 20))
        for host in hosts {
            for number in 1...8 { schedule.add(try transfer("http://\(host)/\(number)"), at: 0) }
        }
        #expect(takeAll(&schedule, at: 0).count == 20)
        #expect(schedule.running == 20)
    }

    @Test func aHostWithoutAnAnswerYetGetsOnePlace() throws {
        var schedule = schedule()
        for number in 1...5 { schedule.add(try transfer("http://new/\(number)", number), at: 0) }
        let first = takeAll(&schedule, at: 0)
        #expect(first.map(\.item.number) == [1])
        #expect(first[0].isProbe)
        // The head of its answer is enough.
        schedule.answered(first[0].lane, at: 0)
        #expect(takeAll(&schedule, at: 0).map(\.item.number) == [2, 3, 4, 5])
    }

    @Test func aSilentHostGetsOnePlaceUntilItAnswers() throws {
        var schedule = try known(["a"], schedule())
        for number in 1...12 { schedule.add(try transfer("http://a/\(number)", number), at: 0) }
        let taken = takeAll(&schedule, at: 0)
        #expect(taken.count == 8)
        for transfer in taken { schedule.end(silence(transfer), at: 0) }
        let probe = takeAll(&schedule, at: 0)
        #expect(probe.map(\.item.number) == [9])
        schedule.end(answer(probe[0]), at: 0)
        #expect(takeAll(&schedule, at: 0).map(\.item.number) == [10, 11, 12])
    }

    @Test func silentHostsNeverHaveMoreThanHalfOfThePlaces() throws {
        let hosts = (1...10).map { "dead\($0)" }
        var schedule = schedule(concurrency: 8)
        for host in hosts {
            for number in 1...3 { schedule.add(try transfer("http://\(host)/\(number)"), at: 0) }
        }
        // Two rounds, after which each host has failed at least once.
        for _ in 1...2 {
            for transfer in takeAll(&schedule, at: 0) { schedule.end(silence(transfer), at: 0) }
        }
        schedule.add(try transfer("http://alive/"), at: 0)
        let taken = takeAll(&schedule, at: 0)
        #expect(taken.filter { $0.item.uri.host.hasPrefix("dead") }.count <= 4)
        #expect(taken.contains { $0.item.uri.host == "alive" })
    }

    @Test func attemptsThatWaitForAFirstAnswerGiveTheirPlacesAwayOnce() throws {
        var schedule = schedule(concurrency: 4)
        for host in 1...12 { schedule.add(try transfer("http://dead\(host)/"), at: 0) }
        #expect(takeAll(&schedule, at: 0).count == 4)
        #expect(takeAll(&schedule, at: Self.second).isEmpty)
        let moment = try #require(schedule.nextMoment(after: Self.second))
        #expect(takeAll(&schedule, at: moment).count == 4)
        // As many again, and no more.
        #expect(takeAll(&schedule, at: 100 * Self.second).isEmpty)
        #expect(schedule.running == 8)
    }

    @Test func anotherAttemptComesWhenItsTimeIsThereAndBeforeTheOthers() throws {
        var schedule = try known(["a"], schedule(perHost: 1))
        for number in 1...3 { schedule.add(try transfer("http://a/\(number)", number), at: 0) }
        let first = try taken(&schedule, at: 1)
        var end = answer(first)
        end.retry = AttemptEnd.Retry(first, after: 5 * Self.second)
        schedule.end(end, at: 0)
        let second = try taken(&schedule, at: 0)
        #expect(second.item.number == 2)
        #expect(schedule.nextMoment(after: 0) != nil)
        schedule.end(answer(second), at: 6 * Self.second)
        let again = try taken(&schedule, at: 6 * Self.second)
        #expect(again.item.number == 1)
        #expect(again.attempts == 2)
        #expect(again.started == first.started)
    }

    @Test func aServerThatWantsToBeLeftAloneIs() throws {
        var schedule = try known(["a", "b"], schedule())
        schedule.add(try transfer("http://a/1", 1), at: 0)
        let first = try taken(&schedule, at: 0)
        var end = answer(first)
        end.pause = 10 * Self.second
        schedule.end(end, at: 0)
        schedule.add(try transfer("http://a/2", 2), at: 0)
        schedule.add(try transfer("http://b/3", 3), at: 0)
        #expect(takeAll(&schedule, at: Self.second).map(\.item.number) == [3])
        #expect(takeAll(&schedule, at: 10 * Self.second - 1).isEmpty)
        #expect(takeAll(&schedule, at: 10 * Self.second).map(\.item.number) == [2])
    }

    @Test func theRateSpacesEvenly() throws {
        var schedule = try known(["a"], schedule(rate: 10))
        for number in 1...100 { schedule.add(try transfer("http://a/\(number)"), at: 0) }
        var now: Int64 = 10 * Self.second
        var begun: [Int64] = []
        for _ in 1...30 {
            for transfer in takeAll(&schedule, at: now) {
                begun.append(now)
                schedule.end(answer(transfer), at: now)
            }
            now = try #require(schedule.nextMoment(after: now))
        }
        #expect(begun.count >= 30)
        for (earlier, later) in zip(begun, begun.dropFirst(10)) {
            #expect(later - earlier >= 980_000_000)
        }
    }

    @Test func theRateOfAHostHoldsUpNoOther() throws {
        var schedule = try known(["a", "b"], schedule(ratePerHost: 1))
        let now = 10 * Self.second
        for number in 1...3 { schedule.add(try transfer("http://a/\(number)", number), at: now) }
        schedule.add(try transfer("http://b/4", 4), at: now)
        #expect(takeAll(&schedule, at: now).map(\.item.number).sorted() == [1, 4])
        #expect(takeAll(&schedule, at: now + Self.second).map(\.item.number) == [2])
    }

    @Test func whatWaitsIsBounded() throws {
        var schedule = schedule(waiting: 3)
        for number in 1...3 {
            #expect(schedule.hasRoom)
            schedule.add(try transfer("http://a/\(number)"), at: 0)
        }
        #expect(!schedule.hasRoom)
        _ = schedule.take(at: 0)
        #expect(schedule.hasRoom)
    }

    @Test func largeBodiesThatWaitAreBoundedInBytes() throws {
        var schedule = TransferSchedule(.init(memory: 1 << 20))
        let body = [UInt8](repeating: 0, count: 1 << 20)
        schedule.add(Transfer(FetchItem(number: 1, place: "", uri: try URI("http://a/"), body: body)), at: 0)
        #expect(!schedule.hasRoom)
    }

    @Test func aMillionHostsAreNotRemembered() throws {
        var schedule = schedule(concurrency: 1_000)
        for host in 0..<50_000 {
            schedule.add(try transfer("http://h\(host)/"), at: 0)
            let taken = try taken(&schedule, at: Int64(host) * 1_000_000)
            schedule.end(answer(taken), at: Int64(host) * 1_000_000)
        }
        #expect(schedule.hostCount < 10_000)
        #expect(schedule.isEmpty)
    }

    /// Hosts that answer, are silent, ask for pauses; URLs that are tried again: in the end each had its end, and nothing is left.
    @Test(arguments: 1...20)
    func nothingIsLostOrTakenTwice(seed: Int) throws {
        var random = SplitMix(seed: UInt64(seed))
        var schedule = schedule(concurrency: 7, perHost: 3, rate: seed % 2 == 0 ? 1_000 : nil)
        var now: Int64 = 0
        var running: [Transfer] = []
        var ended: [Int: Int] = [:]
        var next = 1
        var rounds = 0
        while ended.count < 500 {
            rounds += 1
            try #require(rounds < 100_000, "the schedule stands still")
            while next <= 500, schedule.hasRoom, Bool.random(using: &random) {
                schedule.add(try transfer("http://h\(Int.random(in: 0..<9, using: &random))/", next), at: now)
                next += 1
            }
            while let taken = schedule.take(at: now) {
                running.append(taken)
                let perHost = Dictionary(grouping: running, by: \.lane).values.map(\.count)
                #expect(perHost.allSatisfy { $0 <= 3 })
            }
            #expect(running.count <= 14)
            guard let index = running.indices.randomElement(using: &random) else {
                now = schedule.nextMoment(after: now) ?? now
                continue
            }
            let transfer = running.remove(at: index)
            var end = AttemptEnd(
                lane: transfer.lane,
                host: [.answered, .silent, .unknown].randomElement(using: &random)!
            )
            if transfer.attempts < 3, Bool.random(using: &random) {
                end.retry = AttemptEnd.Retry(transfer, after: Int64.random(in: 0...Self.second, using: &random))
            } else {
                ended[transfer.item.number, default: 0] += 1
            }
            if Int.random(in: 0..<10, using: &random) == 0 { end.pause = Self.second }
            now += Int64.random(in: 0...100_000_000, using: &random)
            schedule.end(end, at: now)
        }
        #expect(ended.values.allSatisfy { $0 == 1 })
        #expect(schedule.isEmpty)
    }
}
