import Synchronization
import Testing

@testable import ApusRuntime

@Suite("Looking for work before sleeping")
struct SpinWindowTests {
    /// A clock that shows one microsecond more each time, and how often something was looked for.
    private final class Glass {
        var now: Int64 = 0
        var looks = 0
        func time() -> Int64 {
            now += 1_000
            return now
        }
    }

    private func spin(_ window: inout SpinWindow, _ glass: Glass, until limit: Int64 = .max, finds: Bool) -> Bool {
        glass.looks = 0
        return window.spin(until: limit, clock: glass.time) {
            glass.looks += 1
            return finds
        }
    }

    @Test("a window that was never opened is not looked through, and the clock is not read for it")
    func closed() {
        var window = SpinWindow(cores: 2)
        let glass = Glass()
        let found = spin(&window, glass, finds: true)
        #expect(!found && !window.isOpen)
        #expect((glass.looks, glass.now) == (0, 0))
    }

    @Test("the look ends by the age of the youngest call, however long nothing comes")
    func bounded() {
        var window = SpinWindow(cores: 2)
        let glass = Glass()
        window.open(at: 0)
        let found = spin(&window, glass, finds: false)
        #expect(!found)
        #expect(glass.now == SpinWindow.nanoseconds)
        #expect(glass.looks == SpinWindow.nanoseconds / 1_000 - 1)
        // A long call: later waits do not look again.
        let again = spin(&window, glass, finds: true)
        #expect(!again && glass.looks == 0)
    }

    @Test("a call that is older than the window is not looked for")
    func old() {
        var window = SpinWindow(cores: 2)
        let glass = Glass()
        window.open(at: 0)
        glass.now = SpinWindow.nanoseconds
        let found = spin(&window, glass, finds: true)
        #expect(!found && glass.looks == 0 && !window.isOpen)
    }

    @Test("what is there ends the look, and the rest of the window stays")
    func found() {
        var window = SpinWindow(cores: 2)
        let glass = Glass()
        window.open(at: 0)
        let found = spin(&window, glass, finds: true)
        #expect(found && glass.looks == 1 && window.isOpen)
    }

    @Test("a timer that is due before its end cuts the look short, and is no look in vain")
    func limited() {
        var window = SpinWindow(cores: 2)
        let glass = Glass()
        window.open(at: 0)
        let found = spin(&window, glass, until: 5_000, finds: false)
        #expect(!found)
        #expect((glass.now, glass.looks) == (5_000, 4))
        #expect(window.isOpen)
    }

    /// With one core: how often it was offered, and looked, until what is awaited had been there for `turns` offers, of `length` each.
    private func spinAlone(
        _ window: inout SpinWindow,
        _ glass: Glass,
        until limit: Int64 = .max,
        comesAfter turns: Int,
        length: Int64 = 0
    ) -> (found: Bool, offers: Int) {
        glass.looks = 0
        var offers = 0
        let found = window.spin(
            until: limit,
            clock: glass.time,
            offer: {
                offers += 1
                glass.now += length
            }
        ) {
            glass.looks += 1
            return offers >= turns
        }
        return (found, offers)
    }

    @Test("with one core nobody spins: the core is offered until what is awaited is there", arguments: [0, 1])
    func oneCore(cores: Int) {
        var window = SpinWindow(cores: cores)
        let glass = Glass()
        for turns in 0...SpinWindow.offers {
            window.open(at: glass.now)
            let (found, offers) = spinAlone(&window, glass, comesAfter: turns)
            #expect(found && offers == turns && window.isOpen)
        }
    }

    @Test("with one core a core that nobody wants is offered three times, and not at the next wait")
    func nobodyWants() {
        var window = SpinWindow(cores: 1)
        let glass = Glass()
        window.open(at: 0)
        let (found, offers) = spinAlone(&window, glass, comesAfter: .max)
        #expect(!found && offers == 3 && !window.isOpen)
        window.open(at: glass.now)
        #expect(!window.isOpen)
    }

    @Test(
        "with one core, whoever keeps it for longer than a window is not offered it for 128 times as long",
        arguments: [1, .max]
    )
    func keepsTheCore(comesAfter: Int) {
        var window = SpinWindow(cores: 1)
        let glass = Glass()
        func opens(after nanoseconds: Int64) -> Bool {
            window.open(at: glass.now + nanoseconds)
            return window.isOpen
        }
        window.open(at: 0)
        let (found, offers) = spinAlone(&window, glass, comesAfter: comesAfter, length: SpinWindow.nanoseconds)
        #expect(found == (comesAfter == 1) && offers == 1 && !window.isOpen)
        // One window is left out in any case, as after any look in vain.
        let (first, second, third) = (
            opens(after: 0), opens(after: 127 * SpinWindow.nanoseconds), opens(after: 140 * SpinWindow.nanoseconds)
        )
        #expect((first, second, third) == (false, false, true))
        // Even if offers go well again and again in between.
        glass.now += 140 * SpinWindow.nanoseconds
        window.open(at: glass.now)
        _ = spinAlone(&window, glass, comesAfter: 1)
        window.open(at: glass.now)
        _ = spinAlone(&window, glass, comesAfter: 1, length: SpinWindow.nanoseconds)
        let (fourth, fifth) = (opens(after: 0), opens(after: 100 * SpinWindow.nanoseconds))
        #expect((fourth, fifth) == (false, false))
    }

    @Test("with one core a timer that is due ends the offers, and is no look in vain")
    func limitedAlone() {
        var window = SpinWindow(cores: 1)
        let glass = Glass()
        window.open(at: 0)
        let (found, offers) = spinAlone(&window, glass, until: 3_000, comesAfter: .max)
        #expect(!found && offers == 2 && window.isOpen)
    }

    @Test("looks in vain become rare, and one that finds something makes all of them worth it again")
    func rare() {
        var window = SpinWindow(cores: 2)
        let glass = Glass()
        func looks(_ calls: Int, finds: Bool) -> Int {
            (0..<calls).count { _ in
                window.open(at: glass.now)
                _ = spin(&window, glass, finds: finds)
                return glass.looks > 0
            }
        }
        // After each look twice as many are left out and one more, up to the bound.
        let first = looks(127, finds: false)
        #expect(first == 7)
        let later = looks(128 * 100, finds: false)
        #expect(later == 100)
        // The window that is open by now, or opens after so many at most, finds something, and so do all that follow.
        let most = SpinWindow.maximumSkips
        let helped = looks(most + 100, finds: true)
        #expect(helped >= 100)
        let all = looks(100, finds: true)
        #expect(all == 100)
    }

    @Test("on a loop an offloaded call opens it, nothing else does, and a long call leaves it closed")
    func onLoop() async throws {
        try await onCleanLoop(.monotonic) {
            let loop = try currentLoop()
            // As on a machine with two cores.
            loop.state.pointee.spin = SpinWindow(cores: 2)
            try await sleep(for: .nanoseconds(1))
            try await loop.hop { await Task.yield() }
            #expect(!loop.state.pointee.spin.isOpen, "nothing was offloaded")
            let gate = Gate()
            async let call: Void = offload { gate.pass() }
            // Somebody is always ready: the loop has no occasion to sleep.
            await turns()
            #expect(loop.state.pointee.spin.isOpen)
            while loop.state.pointee.spin.isOpen { try await sleep(for: .milliseconds(1)) }
            for _ in 0..<3 {
                try await sleep(for: .microseconds(100))
                #expect(!loop.state.pointee.spin.isOpen, "the call is not looked for at every wait")
            }
            gate.open()
            try await call
        }
    }
}

@Suite("Looking for more from other threads")
struct OutsideSpinTests {
    @Test("what another thread sends opens the loop's look for more, what a loop sends itself does not")
    func onLoop() async throws {
        try await onCleanLoop(.monotonic) {
            let loop = try currentLoop()
            loop.state.pointee.outsideSpin = SpinWindow(cores: 2)
            // This task was sent by the test's thread.
            loop.state.pointee.hasHeardFromOutside = false
            for _ in 0..<10 {
                loop.schedule {}
                await Task.yield()
                try await sleep(for: .nanoseconds(1))
                try await loop.hop { await Task.yield() }
            }
            let hasHeard = loop.state.pointee.hasHeardFromOutside || loop.state.pointee.outsideSpin.isOpen
            #expect(!hasHeard, "nobody but the loop has sent anything")
            // What comes while the loop is awake anyway opens nothing: some of these find it asleep.
            var tries = 0
            while !loop.state.pointee.hasHeardFromOutside, !loop.state.pointee.outsideSpin.isOpen, tries < 10_000 {
                tries += 1
                try await offload {}
            }
            let hears = loop.state.pointee.hasHeardFromOutside || loop.state.pointee.outsideSpin.isOpen
            #expect(hears)
            // A look in vain, and it is over.
            while loop.state.pointee.hasHeardFromOutside || loop.state.pointee.outsideSpin.isOpen {
                try await sleep(for: .milliseconds(1))
            }
        }
    }

    @Test("of several threads one looks; when it is through the next may")
    func oneAtATime() {
        let shared = SharedSpin(SpinWindow(cores: 2))
        var (first, second, third) = (0, 0, 0)
        shared.spin(until: .max) {
            first += 1
            shared.spin(until: .max) {
                second += 1
                return true
            }
            return true
        }
        shared.spin(until: .max) {
            third += 1
            return true
        }
        #expect((first, second, third) == (1, 0, 1))
    }

    @Test("a thread gets the value, or the error, of a task that has ended although the loop does not run")
    func afterTheEnd() throws {
        struct Refused: Error {}
        try EventLoop.Runner.with { runner in
            let (value, error) = try runner.run {
                let value = EventLoop.spawn { "done" }
                let error = EventLoop.spawn { throw Refused() }
                _ = await (value.result, error.result)
                return (value, error)
            }
            let results = Mutex<(Result<String, any Error>, Result<Void, any Error>)?>(nil)
            let gate = Gate()
            try startThread(name: "asks") {
                let first = Result { try value.wait(timeout: .seconds(60)) }
                let second = Result { try error.wait(timeout: .seconds(60)) }
                results.withLock { $0 = (first, second) }
                gate.open()
            }
            gate.pass()
            let found = try #require(results.withLock { $0 })
            #expect(try found.0.get() == "done")
            #expect(throws: Refused.self) { try found.1.get() }
        }
    }

    @Test("many threads that wait for one task all get its value")
    func many() async throws {
        try await EventLoop.with {
            let loop = try currentLoop()
            for round in 0..<200 {
                let task = loop.spawn { round }
                let values = try await gather(0..<4) { _ in try await offload { try task.wait(timeout: .seconds(60)) } }
                try require(values == [round, round, round, round], "\(values)")
            }
        }
    }
}

@Suite("The inbox")
struct InboxTests {
    private func drain(_ inbox: borrowing Inbox) -> Int {
        var items: [InboxItem] = []
        inbox.drain(into: &items)
        return items.count
    }

    @Test("however much is left while the loop sleeps, it is woken once; while it is awake, not at all")
    func coalesced() {
        let inbox = Inbox()
        var wakes = 0
        func post(_ count: Int) -> Int { (0..<count).count { _ in inbox.post(.call({}), wake: { wakes += 1 }) } }
        let first = post(2)
        let (hasItems, maySleep) = (inbox.mayHaveItems, inbox.prepareToSleep())
        #expect(first == 2 && hasItems)
        #expect(!maySleep, "something was left meanwhile")
        #expect(wakes == 0)
        let drained = drain(inbox)
        let (hasItemsNow, maySleepNow) = (inbox.mayHaveItems, inbox.prepareToSleep())
        #expect(drained == 2 && !hasItemsNow && maySleepNow)
        let asleep = post(100)
        #expect(asleep == 100)
        #expect(wakes == 1)
        inbox.didWake()
        let awake = post(1)
        let left = drain(inbox)
        #expect(awake == 1 && left == 101)
        #expect(wakes == 1)
    }

    @Test("closing waits for who is about to wake the loop: afterwards nobody touches its descriptors")
    func closingWaits() throws {
        for _ in 0..<200 {
            let box = InboxBox()
            let (entered, mayWrite) = (Gate(), Gate())
            _ = box.inbox.prepareToSleep()
            let flag = Counter()
            try startThread(name: "wakes") {
                _ = box.inbox.post(.call({})) {
                    entered.open()
                    mayWrite.pass()
                    flag.add()
                }
            }
            entered.pass()
            try startThread(name: "sees the end") {
                // Accepted until it is closed; nobody is to be woken a second time.
                while box.inbox.post(.call({}), wake: { flag.add(100) }) { yieldThread() }
                mayWrite.open()
            }
            _ = box.inbox.close()
            let written = flag.value
            #expect(written == 1)
        }
    }

    @Test("a closed one refuses, wakes nobody, and gives back what was left")
    func closed() {
        let inbox = Inbox()
        var wakes = 0
        func post() -> Bool { inbox.post(.call({}), wake: { wakes += 1 }) }
        let before = post()
        let left = inbox.close().count
        let after = post()
        #expect(before && left == 1 && !after)
        #expect(wakes == 0)
    }
}

/// An inbox that several threads hold.
private final class InboxBox: Sendable {
    let inbox = Inbox()
}
