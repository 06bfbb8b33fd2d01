import Glibc

typealias Line = @Sendable (Int) async throws -> Void

func cpuSeconds() -> Double {
    var usage = rusage()
    getrusage(__rusage_who_t(0), &usage)
    func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
    return seconds(usage.ru_utime) + seconds(usage.ru_stime)
}

/// Resident memory of this process, in bytes.
func residentMemory() -> Int {
    guard let file = fopen("/proc/self/statm", "r") else { return 0 }
    defer { fclose(file) }
    var buffer = [CChar](repeating: 0, count: 256)
    guard fgets(&buffer, 256, file) != nil else { return 0 }
    let line = String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    let pages = line.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
    return pages * Int(sysconf(Int32(_SC_PAGESIZE)))
}

/// Measures `body` doing so many, after a tenth of them that does not count.
func measure(_ who: String, _ name: String, _ count: Int, _ body: Line) async throws {
    if name != "sleepers" { try await body(max(1, count / 10)) }
    let clock = ContinuousClock()
    let (cpu, start) = (cpuSeconds(), clock.now)
    try await body(count)
    report(who, name, count, wall: start.duration(to: clock.now) / .seconds(1), cpu: cpuSeconds() - cpu)
}

func report(_ who: String, _ name: String, _ count: Int, wall: Double, cpu: Double) {
    func each(_ seconds: Double) -> Double { (seconds / Double(count) * 1e10).rounded() / 1e4 }
    print("\(who) \(name): n=\(count) wall=\(each(wall)) cpu=\(each(cpu))\(Sleepers.shared.words)")
}

/// Tasks that all sleep until one moment: how much memory they take, once the last has fallen asleep, and when that was.
// @unchecked: atomics would do, but the counter is what is measured. The loop has one thread, and the pool's form counts under a lock.
final class Sleepers: @unchecked Sendable {
    static let shared = Sleepers()
    /// From the beginning to the moment at which all wake: all must be asleep before it.
    static func delay(_ count: Int) -> Duration { .seconds(1) + .microseconds(count * 12) }
    var words = ""

    func allAsleep(_ count: Int, before: Int, since start: ContinuousClock.Instant) {
        let bytes = (residentMemory() - before) / count
        let seconds = start.duration(to: .now) / .seconds(1)
        words = " bytes=\(bytes) asleep=\((seconds * 1e3).rounded() / 1e3)"
        if start.duration(to: .now) > Self.delay(count) { words = " bytes=0 late=1" }
    }
}

/// Lets one thread wait for another.
// @unchecked: sem_t is made to be used by several threads at once.
final class Gate: @unchecked Sendable {
    private let semaphore = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)
    init() { sem_init(semaphore, 0, 0) }
    func open() { sem_post(semaphore) }
    func pass() { while sem_wait(semaphore) != 0 {} }
}

/// Runs `body` on a thread that belongs to nobody, and awaits its end.
func onThread(_ body: @escaping @Sendable () -> Void) async {
    await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
        let start = Unmanaged.passRetained(
            Box {
                body()
                continuation.resume()
            }
        )
        var thread = pthread_t()
        pthread_create(
            &thread,
            nil,
            { pointer in
                Unmanaged<Box>.fromOpaque(pointer!).takeRetainedValue().body()
                return nil
            },
            start.toOpaque()
        )
        pthread_detach(thread)
    }
}

private final class Box: Sendable {
    let body: @Sendable () -> Void
    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
}
