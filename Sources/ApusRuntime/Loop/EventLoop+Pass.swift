import CApus
import Logging
import Synchronization

// One pass of the loop: run what is ready, then look at the world.
extension EventLoop {
    /// Jobs that run before the world is looked at again, and nanoseconds, whichever comes first. A poll after every pass of the
    /// queue costs 600–740 ns per `Task.yield()`, this 320–400; no job waits longer than one such slice for I/O, nor I/O for jobs.
    /// With 100 µs an echo server of 64 connections polled after every 16th message, which was 2 to 3 % of its CPU.
    static let sliceJobs = 64
    static let sliceNanoseconds: Int64 = 250_000

    /// Runs until `state.isFinished`, which a job on this thread sets.
    func turn() {
        if let order = state.pointee.readyOrder { return turnShuffled(order) }
        let state = self.state
        let executor = asUnownedTaskExecutor()
        while !state.pointee.isFinished {
            var budget = Self.sliceJobs
            repeat {
                while let job = state.pointee.ready.popFirst() {
                    run(job, as: executor)
                    budget -= 1
                    if state.pointee.isFinished { return }
                    if budget == 0 || currentTime() &- state.pointee.now > Self.sliceNanoseconds { break }
                }
            } while takesInboxInSlice(budget)
            poll()
        }
    }

    /// Takes what other threads have left while the loop ran its jobs, as part of the same slice: a thread that hands over one thing
    /// after the other would pay for a look at the descriptors with each.
    ///
    /// - Returns: whether there are jobs to go on with.
    @inline(__always)
    private func takesInboxInSlice(_ budget: Int) -> Bool {
        guard inbox.mayHaveItems, budget > 0, goesOnWithSlice else { return false }
        takeInbox()
        return !state.pointee.isFinished && !state.pointee.ready.isEmpty
    }

    /// Whether jobs may still run before the descriptors and timers are looked at. In virtual time the world is looked at each time.
    private var goesOnWithSlice: Bool {
        state.pointee.ready.isEmpty && options.clock == .monotonic
            && apus_monotonic_now() &- state.pointee.now <= Self.sliceNanoseconds
    }

    @inline(__always)
    func run(_ ready: ReadyJob, as executor: UnownedTaskExecutor) {
        let state = self.state
        let job = ready.job
        state.pointee.runningJob = ready.address
        state.pointee.runningKind = ready.kind
        state.pointee.rounds = 0
        state.pointee.statistics.jobs &+= 1
        // `runSynchronously(on:)`, not `(isolatedTo:taskExecutor:)`: the latter turns every call out of isolation into a
        // re-enqueue, 13,600 instead of 8,200 instructions per request.
        if state.pointee.needsCare {
            runWithCare(ready, as: executor)
        } else {
            job.runSynchronously(on: executor)
        }
        state.pointee.runningJob = nil
    }

    private func runWithCare(_ ready: ReadyJob, as executor: UnownedTaskExecutor) {
        guard let monitor = state.pointee.monitor else { return ready.run(preferring: executor) }
        let start = apus_monotonic_now()
        // Before it runs: afterwards it may be gone.
        let id = jobTaskID(ready.job)
        monitor.jobBegins(taskID: id, kind: .task)
        ready.run(preferring: executor)
        monitor.jobEnded()
        let length = apus_monotonic_now() &- start
        state.pointee.statistics.longestJob = max(state.pointee.statistics.longestJob ?? .zero, .nanoseconds(length))
        registry.ran(id, for: length)
    }

    /// Runs a job of a loop that was closed, on this thread, as that loop.
    private func runOrphan(_ job: ReadyJob, of loop: EventLoop) {
        apus_set_current_loop(Unmanaged.passUnretained(loop).toOpaque())
        loop.run(job, as: loop.asUnownedTaskExecutor())
        apus_set_current_loop(Unmanaged.passUnretained(self).toOpaque())
        // What the job made ready went into the closed loop's own queue, which nobody else drains.
        while let next = loop.state.pointee.ready.popFirst() { post(.orphan(next, loop)) }
    }

    /// A call that is not part of a task, such as the main queue's.
    func runCallback(kind: BlockMonitor.JobKind, _ body: () -> Void) {
        if let monitor = state.pointee.monitor {
            monitor.jobBegins(taskID: 0, kind: kind)
            body()
            monitor.jobEnded()
        } else {
            body()
        }
    }

    // MARK: Looking at the world

    /// The inbox, the descriptors, the clock and the timers, in this order; what they make ready joins the end of the queue.
    func poll() {
        let state = self.state
        takeInbox()
        // Behind the inbox's calls, which may defer something, too.
        if !state.pointee.deferred.isEmpty { runDeferred() }
        var timeout: Int64 = 0
        // A call from the inbox may have ended the loop's turn.
        if state.pointee.ready.isEmpty, !state.pointee.isFinished {
            timeout = options.clock == .virtual ? virtualTimeout() : realTimeout()
        }
        if timeout != 0, spin(for: timeout) {
            state.pointee.hasHeardFromOutside = takeInbox()
            timeout = 0
            // Part of the slice that began at the last look at the descriptors.
            if options.clock == .monotonic, apus_monotonic_now() &- state.pointee.now <= Self.sliceNanoseconds {
                return
            }
        }
        if timeout != 0, !inbox.prepareToSleep() { timeout = 0 }
        state.pointee.lag?.lapEnds()
        // Nothing registered and nothing to wait for: no system call can say more than the inbox did.
        if timeout != 0 || state.pointee.descriptors.systemCount > 0 {
            state.pointee.statistics.polls &+= 1
            selector.pointee.wait(timeout: timeout, into: &state.pointee.events)
            state.pointee.lag?.lapBegins()
            if timeout != 0 {
                if takeInbox() { state.pointee.hasHeardFromOutside = true } else { inbox.didWake() }
            }
            // By index: an event's watcher may close descriptors, and so change the table, but never this list.
            var index = 0
            while index < state.pointee.events.count {
                deliver(state.pointee.events[index])
                index += 1
            }
            state.pointee.events.removeAll(keepingCapacity: true)
        } else {
            state.pointee.lag?.lapBegins()
        }
        if options.clock == .monotonic { state.pointee.now = apus_monotonic_now() }
        fireTimers()
    }

    /// Looks for the end of a call that was offloaded a moment ago, or for more from a thread that has just sent something, for no longer
    /// than the loop would sleep.
    ///
    /// - Returns: whether something came.
    private func spin(for timeout: Int64) -> Bool {
        if state.pointee.hasHeardFromOutside {
            // Counted from now: what was sent has been dealt with, and its sender may be about to send the next.
            state.pointee.hasHeardFromOutside = false
            state.pointee.outsideSpin.open(at: apus_monotonic_now())
        }
        let awaitsCall = state.pointee.spin.isOpen && inFlight.load(ordering: .relaxed) > 0
        guard awaitsCall || state.pointee.outsideSpin.isOpen else { return false }
        let limit = timeout < 0 ? Int64.max : apus_monotonic_now().addingClamped(timeout)
        if awaitsCall { return state.pointee.spin.spin(until: limit) { inbox.mayHaveItems } }
        return state.pointee.outsideSpin.spin(until: limit) { inbox.mayHaveItems }
    }

    /// The running task is about to await a call on another thread. Loop thread only.
    func awaitsCall() { state.pointee.spin.open(at: apus_monotonic_now()) }

    /// - Returns: whether there was something.
    @discardableResult
    private func takeInbox() -> Bool {
        guard inbox.mayHaveItems else { return false }
        // Out of the state, since what is called may look at it.
        var items: [InboxItem] = []
        swap(&items, &state.pointee.inboxBuffer)
        inbox.drain(into: &items)
        let isEmpty = items.isEmpty
        for item in items {
            switch item {
            case .job(let job): state.pointee.ready.append(job)
            case .orphan(let job, let loop): runOrphan(job, of: loop)
            case .call(let body): runCallback(kind: .callback, body)
            }
        }
        // What a flood has grown to does not stay.
        items.removeAll(keepingCapacity: items.capacity <= 1_024)
        swap(&items, &state.pointee.inboxBuffer)
        return !isEmpty
    }

    private func realTimeout() -> Int64 {
        guard let next = state.pointee.timers.next else { return -1 }
        let now = apus_monotonic_now()
        // Compared first: the difference to a moment long before the clock's beginning would overflow.
        return next <= now ? 0 : next &- now
    }

    /// Virtual time jumps only when nothing can happen by itself.
    private func virtualTimeout() -> Int64 {
        if inFlight.load(ordering: .acquiring) > 0 { return virtualStandstill() }
        if state.pointee.descriptors.open.contains(where: { $0.pointee.awaitsSystem }) {
            return virtualStandstill()
        }
        // "For ever" never comes, however long nothing else happens.
        guard let next = state.pointee.timers.next, next != .max else { return virtualStandstill() }
        if inbox.mayHaveItems { return 0 }
        // The main actor's work, or Ctrl-C, may be there already: first what is ready, then time. `poll` delivers it.
        if state.pointee.descriptors.systemCount > 0 {
            selector.pointee.wait(timeout: 0, into: &state.pointee.events)
            if !state.pointee.events.isEmpty { return 0 }
        }
        state.pointee.now = max(state.pointee.now, next)
        virtualNow.store(state.pointee.now, ordering: .releasing)
        return 0
    }

    /// Nothing of ours will move the clock. Wait for the outside, and after five seconds say why nothing happens.
    private func virtualStandstill() -> Int64 {
        if state.pointee.standstillReported { return -1 }
        let now = apus_monotonic_now()
        if state.pointee.standstillJobs != state.pointee.statistics.jobs {
            // Something has run since the clock last stood still.
            state.pointee.standstillJobs = state.pointee.statistics.jobs
            state.pointee.standstillSince = now
        }
        let left = state.pointee.standstillSince &+ 5_000_000_000 &- now
        if left > 0 { return left }
        state.pointee.standstillReported = true
        let waiting = state.pointee.descriptors.open.filter { $0.pointee.awaitsSystem }.map(\.pointee.fd)
        logger.warning(
            """
            Event loop “\(name)” runs on virtual time, which stands still while something outside is waited for: \
            descriptors \(waiting), \(inFlight.load(ordering: .relaxed)) calls on other threads or loops, \
            \(state.pointee.timers.count) timers pending. Use in-memory streams in such tests, let no thread wait for this loop's time, \
            or use the monotonic clock.
            """
        )
        return -1
    }

    private func fireTimers() {
        let state = self.state
        let generation = state.pointee.timers.sequence
        while let action = state.pointee.timers.popDue(at: state.pointee.now, of: generation) {
            switch action {
            case .resume(let continuation): continuation.resume(returning: .timedOut)
            case .call(let call): runCallback(kind: .callback, call.fire)
            case .descriptor(let token): deadlinePassed(token)
            case .job(let job): state.pointee.ready.append(job)
            case .none: break
            }
        }
    }

    /// Nanoseconds of the loop's clock, read now.
    @usableFromInline
    package func currentTime() -> Int64 {
        options.clock == .monotonic ? apus_monotonic_now() : state.pointee.now
    }

    /// Gives everybody else a turn, if the running job has held the loop for longer than a slice: see ``sliceIsOver``.
    package func yieldIfSliceIsOver() async {
        if sliceIsOver { await Task.yield() }
    }

    /// The same, for what belongs to no loop: where the running task is no loop's own, there is nobody to give a turn to.
    static func yieldIfSliceIsOver() async {
        if currentSliceIsOver { await Task.yield() }
    }

    /// Whether the running task is a loop's own and has held it for longer than a slice: see ``sliceIsOver``.
    @usableFromInline
    static var currentSliceIsOver: Bool {
        guard let loop = current, loop.runsCurrentTask else { return false }
        return loop.sliceIsOver
    }

    /// Whether the running job should give everybody else a turn, because it has held the loop for longer than a slice.
    ///
    /// A wait for what is ready already does not suspend: a peer that always has data would keep the loop for itself. Whoever works
    /// in a circle around a descriptor asks once per round. Loop thread only.
    ///
    /// Rounds are the running job's own, and its first three are not over: a job that has waited its turn for what it does now would
    /// go to the end of the queue and wait as long again, only because its turn came late in a slice. The loop itself looks at the
    /// clock between jobs.
    @inlinable
    package var sliceIsOver: Bool {
        state.pointee.rounds &+= 1
        // A round is a system call or so: some microseconds. The clock would cost each of them another twentieth of one.
        return state.pointee.rounds & 3 == 0 && clockSaysSliceIsOver
    }

    @usableFromInline
    var clockSaysSliceIsOver: Bool {
        if options.clock == .monotonic { return apus_monotonic_now() &- state.pointee.now > Self.sliceNanoseconds }
        // Virtual time stands still meanwhile: rounds are counted instead.
        return state.pointee.rounds % Self.sliceJobs == 0
    }

    /// Nanoseconds of the loop's clock as of the last poll: what deadlines of single operations are counted from.
    package var now: Int64 { state.pointee.now }
}

/// The id of the task that a job belongs to.
@_silgen_name("swift_task_getJobTaskId")
func jobTaskID(_ job: UnownedJob) -> UInt64
