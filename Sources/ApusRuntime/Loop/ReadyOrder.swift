/// An order drawn from a seed, the same one each time: see ``EventLoop/Options/shuffleSeed``.
///
/// The generator is SplitMix64, and not the system's, so that a seed means the same schedule on every machine and in every version.
struct ReadyOrder {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    /// A number below `bound`, which is at least 1. Where there is nothing to choose, nothing is drawn: turns of the loop that meet one
    /// job, or none, do not change what comes after them.
    mutating func draw(below bound: Int) -> Int {
        guard bound > 1 else { return 0 }
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        mixed ^= mixed >> 31
        return Int(mixed.multipliedFullWidth(by: UInt64(bound)).high)
    }
}

extension EventLoop {
    /// Runs until `state.isFinished`, like ``turn()``, but each time any of the ready jobs, and any number of them up to a slice's before
    /// the world is looked at again.
    ///
    /// Any of them, and not each once per round: a task may then be many steps ahead of another, or behind, as it may on a busy machine.
    func turnShuffled(_ order: ReadyOrder) {
        var order = order
        // A loop has several turns, of a runner's or of its leftovers.
        defer { state.pointee.readyOrder = order }
        let executor = asUnownedTaskExecutor()
        while !state.pointee.isFinished {
            var budget = state.pointee.ready.isEmpty ? 1 : 1 + order.draw(below: Self.sliceJobs)
            while let job = state.pointee.ready.pop(order.draw(below: state.pointee.ready.count)) {
                run(job, as: executor)
                budget -= 1
                if state.pointee.isFinished { return }
                if budget == 0 || currentTime() &- state.pointee.now > Self.sliceNanoseconds { break }
            }
            poll()
        }
    }
}
