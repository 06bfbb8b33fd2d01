import CApus
import Synchronization

/// How long a thread that has nothing to do looks for work before it sleeps.
///
/// To fall asleep and be woken costs more than a short call takes, and both ends of an offloaded call pay it: the loop that awaits
/// the call, and the pool's thread that will get the next one. So each looks around for a moment, but only right after it gave
/// a call away or finished one: a longer call costs one look, not one at every later wait. Whoever looked in vain leaves out the
/// next windows, more of them each time, so that long calls cost next to nothing.
///
/// With one core a look would keep the awaited thread from running. There it is an offer instead: the core is given away, at most three
/// times, and whoever comes back has either what it waited for, or a core that nobody wants.
struct SpinWindow {
    /// Some round trips of an empty call, and about what it costs to sleep and be woken.
    static let nanoseconds: Int64 = 30_000
    /// However often it was in vain, one window opens after so many: the calls may have become short. On a machine so busy that both
    /// threads share a core, every 16th was still felt.
    static let maximumSkips = 127
    /// With one core, who offers it may get it back when a long call, or somebody else, has had a slice of some milliseconds; who sleeps is
    /// woken in the midst of that. So after an offer that took longer than a window nothing is offered for so many times as long.
    static let pause: Int64 = 128
    /// How often the only core is offered: to the awaited thread, and to one or two that may be before it.
    static let offers = 3

    /// Whether no other thread can run meanwhile.
    private let isAlone: Bool
    /// When to stop looking; `Int64.min` while the window is closed.
    private var end = Int64.min
    /// How many windows to leave out after the last look in vain, and how many of them are still to come.
    private var skips = 0
    private var skipsLeft = 0
    /// No window opens before.
    private var restsUntil = Int64.min

    /// - Parameter cores: how many the process may use.
    init(cores: Int = Int(apus_available_cores())) { isAlone = cores <= 1 }

    /// A call was given away, or finished, at `now`.
    mutating func open(at now: Int64) {
        if skipsLeft > 0 {
            skipsLeft -= 1
        } else if now >= restsUntil {
            end = now &+ Self.nanoseconds
        }
    }

    /// Whether it is worth looking at all: says false without a look at the clock.
    var isOpen: Bool { end != .min }

    /// Looks until `isThere`, until the window closes, or until `limit`.
    ///
    /// - Parameter offer: gives the only core away for a moment.
    /// - Returns: whether something is there.
    mutating func spin(
        until limit: Int64 = .max,
        clock: () -> Int64 = apus_monotonic_now,
        offer: () -> Void = yieldThread,
        _ isThere: () -> Bool
    ) -> Bool {
        guard isOpen else { return false }
        let start = clock()
        guard start < end else {
            end = .min
            return false
        }
        if isAlone { return spinAlone(from: start, until: limit, clock, offer, isThere) }
        let stop = min(end, limit)
        repeat {
            if isThere() {
                skips = 0
                return true
            }
            apus_spin_pause()
        } while clock() < stop
        if stop == end { close() }
        return false
    }

    private mutating func spinAlone(
        from start: Int64,
        until limit: Int64,
        _ clock: () -> Int64,
        _ offer: () -> Void,
        _ isThere: () -> Bool
    ) -> Bool {
        for _ in 0..<Self.offers {
            if isThere() {
                skips = 0
                return true
            }
            offer()
            let now = clock()
            if now >= end {
                // Whether what is awaited is there or not.
                close()
                restsUntil = now.addingClamped((now &- start) &* Self.pause)
                return isThere()
            }
            if now >= limit { return isThere() }
        }
        if isThere() {
            skips = 0
            return true
        }
        // Nobody wanted the core: what is awaited waits for something itself.
        close()
        return false
    }

    /// Leaves out the next windows.
    private mutating func close() {
        end = .min
        skips = min(skips * 2 + 1, Self.maximumSkips)
        skipsLeft = skips
    }
}

/// A ``SpinWindow`` of several threads, one of which looks at a time: more would keep each other, and the one they wait for, from running.
// @unchecked: `window` is touched only by who has set `isTaken`.
final class SharedSpin: @unchecked Sendable {
    private let isTaken = Atomic(false)
    private var window: SpinWindow

    init(_ window: SpinWindow = SpinWindow()) { self.window = window }

    /// Looks until `isThere`, or until a window from now closes, or until `limit`; not at all if another thread does so.
    func spin(until limit: Int64, _ isThere: () -> Bool) {
        guard !isTaken.exchange(true, ordering: .acquiring) else { return }
        window.open(at: apus_monotonic_now())
        _ = window.spin(until: limit, isThere)
        isTaken.store(false, ordering: .releasing)
    }
}
