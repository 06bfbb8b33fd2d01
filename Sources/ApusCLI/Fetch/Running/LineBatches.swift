import Apus
import Synchronization

/// Collects lines, and has them written many at a time: one trip to a thread for each line would cost more than fetching its URL.
///
/// Bounded: whoever adds has to wait for ``room()`` when ``append(_:number:)`` says so.
final class LineBatches: Sendable {
    /// Writes whole lines; `numbers` are those of the items that have come with them. It deals with its errors itself.
    typealias Write = @Sendable (_ lines: [UInt8], _ numbers: [Int]) async -> Void

    private struct State {
        var lines: [UInt8] = []
        var numbers: [Int] = []
        var isWriting = false
        var hasAlarm = false
        var waiting: [UnsafeContinuation<Void, Never>] = []

        var isEmpty: Bool { lines.isEmpty && numbers.isEmpty }
        var isLarge: Bool { lines.count >= LineBatches.size || numbers.count >= LineBatches.count }
    }

    private let state = Mutex(State())
    private let write: Write

    /// What is worth a trip.
    private static let size = 32 * 1024
    private static let count = 4_096
    /// What may wait.
    private static let limit = 512 * 1024
    /// How long a line waits at most: what a killed run may lose.
    private static let delay = Duration.milliseconds(20)

    init(_ write: @escaping Write) { self.write = write }

    /// Adds a line, or what there is to be noted besides.
    ///
    /// - Returns: whether so much waits that the caller has to.
    func append(number: Int? = nil, _ line: (inout [UInt8]) -> Void) -> Bool {
        let (begins, setsAlarm, isFull) = state.withLock { state in
            line(&state.lines)
            if let number { state.numbers.append(number) }
            let isFull = state.lines.count >= Self.limit || state.numbers.count >= 16 * Self.count
            guard !state.isWriting, !state.isEmpty else { return (false, false, isFull) }
            if state.isLarge {
                state.isWriting = true
                return (true, false, isFull)
            }
            defer { state.hasAlarm = true }
            return (false, !state.hasAlarm, isFull)
        }
        if begins { begin() }
        if setsAlarm { (EventLoop.current ?? .shared).schedule(after: Self.delay) { self.ring() } }
        return isFull
    }

    /// Waits until less waits.
    ///
    /// Cancel safety: does not look at it; writing goes on.
    func room() async {
        await withUnsafeContinuation { (waiting: UnsafeContinuation<Void, Never>) in
            let isThere = state.withLock { state in
                guard state.isWriting else { return true }
                state.waiting.append(waiting)
                return false
            }
            if isThere { waiting.resume() }
        }
    }

    /// Writes what is left.
    ///
    /// Cancel safety: as ``room()``.
    func flush() async {
        while true {
            let begins: Bool? = state.withLock { state in
                if state.isWriting { return false }
                if state.isEmpty { return nil }
                state.isWriting = true
                return true
            }
            guard let begins else { return }
            if begins { begin() }
            await room()
        }
    }

    private func ring() {
        let begins = state.withLock { state in
            state.hasAlarm = false
            guard !state.isWriting, !state.isEmpty else { return false }
            state.isWriting = true
            return true
        }
        if begins { begin() }
    }

    /// In a task of its own, which is not cancelled with whoever adds.
    private func begin() {
        EventLoop.spawn(name: "lines") {
            repeat {
                let (lines, numbers) = self.take()
                await self.write(lines, numbers)
            } while self.goesOn()
        }
    }

    private func take() -> ([UInt8], [Int]) {
        state.withLock { state in
            defer { (state.lines, state.numbers) = ([], []) }
            return (state.lines, state.numbers)
        }
    }

    private func goesOn() -> Bool {
        let (goesOn, waiting, setsAlarm) = state.withLock { state in
            defer { state.waiting = [] }
            if state.isLarge { return (true, state.waiting, false) }
            state.isWriting = false
            guard !state.isEmpty, !state.hasAlarm else { return (false, state.waiting, false) }
            state.hasAlarm = true
            return (false, state.waiting, true)
        }
        for waiting in waiting { waiting.resume() }
        if setsAlarm { (EventLoop.current ?? .shared).schedule(after: Self.delay) { self.ring() } }
        return goesOn
    }
}
