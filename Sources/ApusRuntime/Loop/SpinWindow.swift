import CApus
import Synchronization

/// How long a thread that has nothing to do looks for work before it sleeps.
///
/// To fall asleep and be woken costs more than a short call takes, and both ends of an offloaded call pay it: the loop that awaits
/// the call, and the pool's thread that will get the next one. So each looks around for a moment, but only right after it gave
/// a call away or finished one: a longer call costs one look, not one at every later wait. Whoever looked in vain leaves out the
/// next windows, more of them each time, so that long calls cost next to nothing. With one core nobody looks: it would keep the
/// awaited thread from running.
struct SpinWindow {
    /// Some round trips of an empty call, and about what it costs to sleep and be woken.
    static let nanoseconds: Int64 = 30_000
    /// However often it was in vain, one window opens after so many: the calls may have become short. On a machine so busy that both
    /// threads share a core, every 16th was still felt.
    static let maximumSkips = 127

    /// Whether another thread can run meanwhile.
    private let isUseful: Bool
    /// When to stop looking; `Int64.min` while the window is closed.
    private var end = Int64.min
    /// How many windows to leave out after the last look in vain, and how many of them are still to come.
    private var skips = 0
    private var skipsLeft = 0

    /// - Parameter cores: how many the process may use.
    init(cores: Int = Int(apus_available_cores())) { isUseful = cores > 1 }

    /// A call was given away, or finished, at `now`.
    mutating func open(at now: Int64) {
        guard isUseful else { return }
        if skipsLeft > 0 {
            skipsLeft -= 1
        } else {
            end = now &+ Self.nanoseconds
        }
    }

    /// Whether it is worth looking at all: says false without a look at the clock.
    var isOpen: Bool { end != .min }

    /// Looks until `isThere`, until the window closes, or until `limit`.
    ///
    /// - Returns: whether something is there.
    mutating func spin(
        until limit: Int64 = .max,
        clock: () -> Int64 = apus_monotonic_now,
        _ isThere: () -> Bool
    ) -> Bool {
        guard isOpen else { return false }
        guard clock() < end else {
            end = .min
            return false
        }
        let stop = min(end, limit)
        repeat {
            if isThere() {
                skips = 0
                return true
            }
            apus_spin_pause()
        } while clock() < stop
        if stop == end {
            end = .min
            skips = min(skips * 2 + 1, Self.maximumSkips)
            skipsLeft = skips
        }
        return false
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
