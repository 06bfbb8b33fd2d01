/// Looks at all tasks of a loop, on the loop's thread, where none of them can move meanwhile but those that are elsewhere just now.
struct TaskSnapshot {
    private let memory: MemoryCopy
    private let tracked: [UInt64: TrackedTask]
    private let waits: [UInt: TaskInfo.Wait]
    private var tasks: [TaskInfo] = []
    private var seen: Set<UInt64> = []

    /// Loop thread only.
    static func take(_ loop: EventLoop, by memory: MemoryCopy = MemoryCopy()) -> TaskList {
        // Together with what keeps them alive.
        let started = loop.registry.started.map { (record: $0.record, isRoot: $0.isRoot, living: $0.record.living) }
        var snapshot = TaskSnapshot(memory, tracked: loop.registry.allTracked, waits: loop.waitingTasks)
        let reason = TaskMemory.unavailableReason
        for (record, isRoot, living) in started {
            // What has not been started quite yet has no address.
            guard let address = living?.address else { continue }
            let origin = isRoot ? TaskInfo.Origin.root : .spawned
            if let task = TaskMemory(at: address, in: memory) {
                snapshot.add(task, name: record.name, origin, parent: record.creation?.parent)
            } else if reason != nil {
                // Neither states nor children can be seen: what our own registry knows is told, and no more.
                snapshot.add(record, origin, id: jobTaskID(unsafeBitCast(address, to: UnownedJob.self)))
            }
        }
        snapshot.addTracked()
        withExtendedLifetime(started) {}
        return TaskList(snapshot.tasks, loop: loop.name, childrenUnavailableReason: reason)
    }

    private init(_ memory: MemoryCopy, tracked: [UInt64: TrackedTask], waits: [UInt: TaskInfo.Wait]) {
        self.memory = memory
        self.tracked = tracked
        self.waits = waits
    }

    /// A task, and after it its descendants.
    private mutating func add(_ root: TaskMemory, name: String?, _ origin: TaskInfo.Origin, parent: UInt64?) {
        // A stack of one's own: chains of `async let` may be deeper than the thread's.
        var left = [(task: root, name: name, origin: origin, parent: parent)]
        while let (task, name, origin, parent) = left.popLast() {
            guard seen.insert(task.id).inserted else { continue }
            let records = task.records()
            let known = tracked[task.id]
            var info = TaskInfo(
                id: task.id,
                name: name ?? records.name ?? known?.name,
                origin: origin,
                state: state(of: task, records),
                isCancelled: task.isCancelled,
                parent: parent ?? known?.parent
            )
            info.take(known)
            if !task.isRunning { info.suspension = task.suspension }
            tasks.append(info)
            left += records.children.reversed().map { ($0, nil, .child, task.id) }
        }
    }

    private mutating func add(_ record: TaskRecord, _ origin: TaskInfo.Origin, id: UInt64) {
        guard seen.insert(id).inserted else { return }
        var info = TaskInfo(
            id: id,
            name: record.name,
            origin: origin,
            state: .unknown,
            isCancelled: record.isCancelled,
            parent: record.creation?.parent
        )
        info.take(tracked[id])
        tasks.append(info)
    }

    /// Debug mode: those that are nobody's children, such as hops, or whose parents could not be walked.
    private mutating func addTracked() {
        for (id, known) in tracked.sorted(by: { $0.key < $1.key }) where !seen.contains(id) {
            if let task = TaskMemory(at: known.address, in: memory), task.id == id {
                add(task, name: known.name, .spawned, parent: known.parent)
            } else if TaskMemory.unavailableReason != nil {
                seen.insert(id)
                var info = TaskInfo(
                    id: id,
                    name: known.name,
                    origin: .spawned,
                    state: .unknown,
                    isCancelled: false,
                    parent: known.parent
                )
                info.take(known)
                tasks.append(info)
            }
        }
    }

    private func state(of task: TaskMemory, _ records: TaskMemory.Records) -> TaskInfo.State {
        if task.isRunning { return .running }
        if task.isEnqueued { return .ready }
        if let wait = waits[task.address] { return .waiting(wait) }
        if let awaited = records.awaited.flatMap({ TaskMemory(at: $0, in: memory) }) {
            return .waiting(.task(awaited.id))
        }
        return .waiting(records.awaitsGroup ? .children : .continuation)
    }
}

extension TaskInfo {
    fileprivate mutating func take(_ known: TrackedTask?) {
        guard let known else { return }
        runs = known.runs
        runTime = .nanoseconds(known.nanoseconds)
        creationSite = known.creationSite
    }
}

extension EventLoop {
    /// What the loop's own waits are for, by the waiting task's address. A continuation is the address of its task.
    fileprivate var waitingTasks: [UInt: TaskInfo.Wait] {
        var result: [UInt: TaskInfo.Wait] = [:]
        for slot in state.pointee.descriptors.open {
            let descriptor = slot.pointee.fd >= 0 ? slot.pointee.fd : nil
            if let task = slot.pointee.reader.continuation.map(address) {
                result[task] = .readable(descriptor: descriptor)
            }
            if let task = slot.pointee.writer.continuation.map(address) {
                result[task] = .writable(descriptor: descriptor)
            }
        }
        for (deadline, continuation) in state.pointee.timers.sleepers {
            result[address(of: continuation)] = .time(LoopClock.Instant(nanoseconds: deadline))
        }
        return result
    }

    /// A continuation is one word: its task's address.
    private func address(of continuation: UnsafeContinuation<WaitOutcome, Never>) -> UInt {
        unsafeBitCast(continuation, to: UInt.self)
    }
}
