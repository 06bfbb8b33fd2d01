import ApusRuntime
import Glibc

/// Counts what a test could leave behind in the process.
///
/// ```swift
/// let before = openDescriptors()
/// … the test …
/// #expect(openDescriptors() == before)
/// ```
///
/// - Returns: the numbers of the descriptors that are open, without the one that looks.
public func openDescriptors() -> Set<Int32> {
    guard let directory = opendir("/proc/self/fd") else { return [] }
    defer { closedir(directory) }
    let own = dirfd(directory)
    var result: Set<Int32> = []
    while let entry = readdir(directory) {
        let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
            String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
        if let number = Int32(name), number != own { result.insert(number) }
    }
    return result
}

/// What a piece of code left behind on its loop: see ``leaks(_:)``.
public struct Leaks: Sendable, Hashable, CustomStringConvertible {
    /// Descriptors (sockets and in-memory streams) more than before.
    public var descriptors = 0
    /// Timers more than before.
    public var timers = 0
    /// Tasks of `EventLoop.spawn` more than before.
    public var tasks = 0

    /// Whether nothing was left.
    public var isEmpty: Bool { self == Leaks() }

    public var description: String {
        isEmpty ? "no leaks" : "left behind: \(descriptors) descriptors, \(timers) timers, \(tasks) tasks"
    }
}

/// Runs `body` and tells what it left behind on the current loop, of which nothing else may run meanwhile.
///
/// ```swift
/// #expect(try await leaks { try await fetchEverything() }.isEmpty)
/// ```
///
/// It counts by the loop's own tables and not by the process's descriptors: other tests run beside this one. Ends that are on
/// their way, such as a server's connection whose client has closed, get some thousand turns of the loop to arrive.
///
/// - Throws: what `body` throws; ``LoopError`` is not among it: off a loop there is nothing to count, and no leak.
///
/// Cancel safety: as `body`'s.
public func leaks(_ body: nonisolated(nonsending) () async throws -> Void) async rethrows -> Leaks {
    guard let before = EventLoop.current?.statistics() else {
        try await body()
        return Leaks()
    }
    try await body()
    var result = Leaks()
    for _ in 0..<100_000 {
        guard let now = EventLoop.current?.statistics() else { return Leaks() }
        // What was there before and has ended meanwhile is no leak.
        result.descriptors = max(0, now.descriptors - before.descriptors)
        result.timers = max(0, now.timers - before.timers)
        result.tasks = max(0, now.tasks - before.tasks)
        if result.isEmpty { return result }
        await Task.yield()
    }
    return result
}

/// Runs `body`, and throws if it left anything behind on the current loop: ``leaks(_:)`` as a claim.
///
/// ```swift
/// try await forEachSchedule {
///     try await withoutLeaks { try await fetchEverything() }
/// }
/// ```
///
/// - Returns: what `body` returns.
/// - Throws: what `body` throws; ``LeakError``.
///
/// Cancel safety: as `body`'s.
public func withoutLeaks<Success>(_ body: nonisolated(nonsending) () async throws -> Success) async throws -> Success {
    var result: Success?
    let left = try await leaks { result = try await body() }
    guard left.isEmpty, let result else { throw LeakError(leaks: left) }
    return result
}

/// Something was left behind: see ``withoutLeaks(_:)``.
public struct LeakError: Error, Sendable, CustomStringConvertible {
    /// What it was.
    public var leaks: Leaks

    public var description: String { "The code \(leaks)." }
}
