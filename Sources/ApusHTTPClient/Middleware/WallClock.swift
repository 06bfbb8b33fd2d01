import ApusRuntime
import Glibc

/// The time of day, in seconds since 1970. On a loop of virtual time it goes on with that, so that an hour of a test is an hour of a
/// cache, too.
struct WallClock: Sendable {
    /// Nil for the system's.
    private let start: Int?

    static let system = WallClock(start: nil)

    /// A clock that shows `start` when a loop's clock shows 0: for tests.
    static func starting(at start: Int) -> WallClock { WallClock(start: start) }

    private static let processStart = time(nil)

    var now: Int {
        guard let loop = EventLoop.current else { return start ?? time(nil) }
        if let start { return start + Self.seconds(loop) }
        return loop.options.clock == .virtual ? Self.processStart + Self.seconds(loop) : time(nil)
    }

    private static func seconds(_ loop: EventLoop) -> Int { Int(loop.currentTime() / 1_000_000_000) }
}
