import CApus
import Glibc

/// One look at a thread: what it does, and where.
struct StackSample {
    /// The program counter first, then return addresses, outwards.
    var addresses: [UInt] = []
    var state: BlockReport.ThreadState = .unknown

    /// Keeps the longer of two stacks.
    mutating func take(_ others: [UInt], _ state: BlockReport.ThreadState) {
        if others.count > addresses.count { (addresses, self.state) = (others, state) }
    }
}

/// A thread of this process that can be looked at from another one.
struct SampledThread: Sendable {
    let id: Int32
    let stack: Range<UInt>
    /// What it is sampled with while it runs, or -1.
    let signal: Int32

    /// The calling thread, made ready.
    static func current() -> SampledThread {
        var low: UInt = 0
        var high: UInt = 0
        if apus_bt_stack_bounds(&low, &high) != 0 || low > high { (low, high) = (0, 0) }
        return SampledThread(id: apus_bt_gettid(), stack: low..<high, signal: apus_bt_prepare())
    }
}

/// Looks at a thread without changing what it does.
///
/// A signal ends `nanosleep`, `poll` and many other system calls early, with or without SA_RESTART. So a thread in the
/// kernel is never signalled: /proc says which call it is in and with what stack pointer, its stack is copied, and the
/// copy counts only if the thread has not moved meanwhile. Only a thread that runs on every one of several looks gets the
/// sampling signal. What is left: it may enter a system call in the microseconds between the last look and the signal
/// (apus_bt_sample_running), and a thread that is inside the kernel *and* on a CPU also reads as running; its call then may end
/// early if it comes to an interruptible wait just then.
enum StackSampler {
    /// The handler has one buffer, so one sample is taken at a time, whatever the number of loops.
    private static let turn = Turn()

    private enum Limits {
        static let attempts = 24
        /// Of these, how many insist that a waiting thread has not run at all while its stack was copied. A loop around a
        /// short call (a file read in small pieces) never stands still for so long; after that, the same call with the
        /// same arguments from the same place will do.
        static let strictAttempts = 6
        /// Looks that must say "running", one after another, before a signal is sent: more of them if the thread has been
        /// seen waiting, since it may be about to wait again.
        static func runningLooks(hasWaited: Bool) -> Int { hasWaited ? 12 : 4 }
        static let pauseMicroseconds: UInt32 = 250
        static let answerNanoseconds: Int64 = 500_000_000
        /// A stack of fewer frames has not been walked to its end: the loop alone has that many. backtrace(3) stops at once
        /// in code without unwind tables, such as a jump into a library (PLT), and there is another look.
        static let plausibleFrames = 4
    }

    /// - Parameter stillWanted: asked before each look; when false, what is found would be about something else.
    static func sample(_ thread: SampledThread, while stillWanted: () -> Bool) -> StackSample {
        turn.take {
            guard let activity = ThreadActivity.Source(thread: thread.id) else { return StackSample() }
            defer { activity.close() }
            var best = StackSample()
            var running = 0
            var hasWaited = false
            for attempt in 0..<Limits.attempts where stillWanted() {
                let isStrict = attempt < Limits.strictAttempts
                // The count comes first: what is read last before the copy should be where the thread is.
                let switches = isStrict ? activity.contextSwitches() : nil
                switch activity.read() {
                case .waiting(let place):
                    (running, hasWaited) = (0, true)
                    if best.addresses.isEmpty { best.state = place.state }
                    let addresses = addresses(of: thread, at: place) {
                        activity.read() == .waiting(place) && (!isStrict || activity.contextSwitches() == switches)
                    }
                    if let addresses { best.take(addresses, place.state) }
                case .running:
                    running += 1
                    if best.addresses.isEmpty { best.state = .running }
                    if running < Limits.runningLooks(hasWaited: hasWaited) { break }
                    switch interrupt(thread, activity) {
                    case .answered(let addresses): best.take(addresses, .running)
                    case .notRunning: running = 0
                    case .impossible: return best
                    }
                case .unknown:
                    return best
                }
                if best.addresses.count >= Limits.plausibleFrames { return best }
                usleep(Limits.pauseMicroseconds)
            }
            return best
        }
    }

    private enum Answer {
        case answered([UInt])
        case notRunning
        case impossible
    }

    private static func interrupt(_ thread: SampledThread, _ activity: ThreadActivity.Source) -> Answer {
        // A signal that the thread has blocked since would wait for it and come at an unknown time.
        if thread.signal < 0 || activity.blocks(signal: thread.signal) { return .impossible }
        var result: UnsafePointer<apus_bt_sample>?
        let outcome = apus_bt_sample_running(
            thread.id,
            activity.descriptor,
            thread.stack.lowerBound,
            thread.stack.upperBound,
            Limits.answerNanoseconds,
            &result
        )
        if outcome == APUS_BT_NOT_RUNNING { return .notRunning }
        guard outcome == APUS_BT_SAMPLED, let sample = result?.pointee else { return .impossible }
        // Two walks of the same stack; the one that gets further is right.
        let byTables = withUnsafeBytes(of: sample.frames) {
            Array($0.bindMemory(to: UInt.self).prefix(Int(sample.count)))
        }
        guard let stack = StackCopy(sample) else { return .answered(byTables) }
        var unwinder = StackUnwinder(
            stack: stack,
            code: .current(),
            pc: sample.pc,
            fp: sample.fp,
            lr: sample.lr == 0 ? nil : sample.lr
        )
        let byCopy = unwinder.addresses()
        return .answered(byCopy.count > byTables.count ? byCopy : byTables)
    }

    /// The call stack of a thread that waits in the kernel, or nil if it has moved while its stack was being copied.
    private static func addresses(
        of thread: SampledThread,
        at place: ThreadActivity.Place,
        isStillThere: () -> Bool
    ) -> [UInt]? {
        var addresses = [place.pc]
        guard thread.stack.contains(place.sp) else { return addresses }  // A stack of its own making: say only where.
        // 64 KiB hold all but the stacks with large buffers on them; those are worth a second, larger copy.
        for size in [64 << 10, 1 << 20] as [UInt] {
            guard let copy = StackCopy(from: place.sp, to: min(place.sp &+ size, thread.stack.upperBound)),
                isStillThere()
            else { return nil }
            var unwinder = StackUnwinder(stack: copy, code: .current(), pc: place.pc)
            addresses = unwinder.addresses()
            if !unwinder.ranOffTheCopy || copy.range.upperBound == thread.stack.upperBound { break }
        }
        return addresses
    }
}
