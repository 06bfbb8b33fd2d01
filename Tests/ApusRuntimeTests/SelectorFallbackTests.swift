import CApus
import Glibc
import Testing

@testable import ApusRuntime

/// Kernels before 5.11, and sandboxes that do not know the newer call, wait by epoll_wait(2), in milliseconds.
@Suite("Waiting without epoll_pwait2")
struct SelectorFallbackTests {
    @Test(
        "nanoseconds are rounded up to whole milliseconds, and end at a day",
        arguments: [
            (Int64.min, 0), (-1, 0), (0, 0), (1, 1), (999_999, 1), (1_000_000, 1), (1_000_001, 2),
            (86_399_999_000_001, 86_400_000), (86_400_000_000_001, 86_400_000), (Int64.max, 86_400_000),
        ] as [(Int64, Int32)]
    )
    func rounding(nanoseconds: Int64, milliseconds: Int32) {
        #expect(apus_whole_milliseconds(nanoseconds) == milliseconds)
    }

    @Test("no wait ends before its time, whichever call it is made by", arguments: [false, true])
    func neverEarly(inMilliseconds: Bool) throws {
        var selector = try EpollSelector(waitsInMilliseconds: inMilliseconds)
        var events = ContiguousArray<SelectorEvent>()
        for timeout in [1, 1_000, 999_999, 1_000_001, 1_500_000] as [Int64] {
            let end = apus_monotonic_now() + timeout
            selector.wait(timeout: timeout, into: &events)
            #expect(apus_monotonic_now() >= end)
            #expect(events.isEmpty)
        }
    }

    @Test("events and wake-ups end a wait, whichever call it is made by", arguments: [false, true])
    func events(inMilliseconds: Bool) throws {
        var selector = try EpollSelector(waitsInMilliseconds: inMilliseconds)
        var events = ContiguousArray<SelectorEvent>()
        let pair = try SocketPair()
        defer { pair.close() }
        let day: Int64 = 86_400_000_000_000
        #expect(selector.add(pair.near, token: 7) == 0)
        selector.wait(timeout: day, into: &events)
        #expect(events.map(\.token) == [7])
        pair.write([1])
        selector.wait(timeout: day, into: &events)
        #expect(events.last?.readiness.contains(.readable) == true)
        selector.wake()
        selector.wait(timeout: day, into: &events)
        #expect(events.count == 2)
    }

    @Test(
        "a process whose kernel refuses the newer call sleeps, waits and works as ever",
        arguments: ["ENOSYS", "EPERM"]
    )
    func refused(error: String) async throws {
        let result = try await play("no-epoll-pwait2-\(error)")
        #expect(result.output == "refused: \(error)\nslept: true, in order: [1, 2, 3], read: 4, offloaded: 5\n")
        #expect(result.status == 0)
    }
}
