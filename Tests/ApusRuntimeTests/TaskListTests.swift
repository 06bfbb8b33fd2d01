import CApus
import Glibc
import Synchronization
import Testing

@testable import ApusRuntime

/// A loop, in debug mode or not, on virtual time.
private func onLoop<Success: Sendable>(
    debug: Bool,
    _ body: @escaping @Sendable (EventLoop) async throws -> Success
) async throws -> Success {
    var options = EventLoop.Options()
    options.name = "listed"
    options.clock = .virtual
    options.debug = debug
    options.blockThreshold = .seconds(3600)
    return try await EventLoop.with(options) { try await body(try currentLoop()) }
}

@inline(never)
private func waitsInAFunctionOfItsOwn() async throws {
    try await sleep(for: .seconds(3600))
}

@Suite("Tasks of a loop: A58, A59, A60")
struct TaskListTests {
    @Test("this Swift's tasks can be read: else children would be missing, and everything below fail")
    func layout() async throws {
        #expect(TaskMemory.unavailableReason == nil)
        let (found, expected) = await Task(name: "named") {
            let task = TaskMemory(at: UInt(bitPattern: swift_task_getCurrent()), in: MemoryCopy())
            let found = task.map { (id: $0.id, isRunning: $0.isRunning, name: $0.records().name) }
            return (found, currentTaskID())
        }.value
        let (id, isRunning, name) = try #require(found)
        #expect(id == expected)
        #expect(isRunning)
        #expect(name == "named")
    }

    @Test("what is no task is not taken for one")
    func noTask() {
        let memory = UnsafeMutableRawPointer.allocate(byteCount: 512, alignment: 16)
        defer { memory.deallocate() }
        memory.initializeMemory(as: UInt8.self, repeating: 0xA5, count: 512)
        #expect(TaskMemory(at: UInt(bitPattern: memory), in: MemoryCopy()) == nil)
        for address: UInt in [0, 8, 16, 0xDEAD_BEE0, .max, .max - 15] {
            #expect(TaskMemory(at: address, in: MemoryCopy()) == nil)
        }
    }

    @Test(
        "A58: the root and what was spawned, with names, states and what they wait for, and no debug mode",
        arguments: [false, true]
    )
    func spawned(debug: Bool) async throws {
        let pair = try SocketPair()
        let fd = pair.near
        try await onLoop(debug: debug) { loop in
            let sleeper = loop.spawn(name: "sleeper") { try await sleep(for: .seconds(60)) }
            let reader = loop.spawn(name: "reader") {
                let handle = try IOHandle(fd)
                defer { handle.close() }
                try await handle.readable()
            }
            let waiter = loop.spawn(name: "waiter") { try await sleeper.value }
            await turns()
            let fresh = loop.spawn { 1 }
            let list = try await loop.tasks(timeout: .seconds(60))
            let states = Dictionary(uniqueKeysWithValues: list.map { ($0.name ?? "", $0) })
            #expect(list.count == 5)
            #expect(list.childrenUnavailableReason == nil)
            #expect(list.loop == "listed")
            #expect(states["listed"]?.state == .running)
            #expect(states["listed"]?.origin == .root)
            #expect(states["listed"]?.suspension == nil)
            #expect(states["sleeper"]?.state == .waiting(.time(loop.clock.now.advanced(by: .seconds(60)))))
            #expect(states["sleeper"]?.origin == .spawned)
            #expect(states["reader"]?.state == .waiting(.readable(descriptor: fd)))
            let sleeperID = try #require(states["sleeper"]?.id)
            #expect(states["waiter"]?.state == .waiting(.task(sleeperID)))
            #expect(states[""]?.state == .ready)
            #expect(list[id: sleeperID]?.name == "sleeper")
            #expect(
                list.allSatisfy { ($0.runs != nil) == (debug && $0.state != .ready) },
                "what has not begun has had no turn"
            )
            for task in [sleeper, reader, waiter] { task.cancel() }
            let cancelled = try await loop.tasks(timeout: .seconds(60))
            #expect(Set(cancelled.filter(\.isCancelled).compactMap(\.name)) == ["sleeper", "reader", "waiter"])
            for task in [sleeper, reader, waiter] { _ = await task.result }
            _ = try await fresh.value
            let left = try await loop.tasks(timeout: .seconds(60))
            #expect(left.map(\.name) == ["listed"])
        }
        pair.close()
    }

    @Test(
        "A60: children of task groups, of groups in groups and of `async let` are found, under their parents",
        arguments: [false, true]
    )
    func children(debug: Bool) async throws {
        try await onLoop(debug: debug) { loop in
            let root = currentTaskID()
            // Cancelled and awaited at the end of this scope.
            async let _: Void = untilCancelled()
            async let _ = withTaskGroup(of: Void.self) { group in
                group.addTask(name: "inner") { try? await untilCancelled() }
                await group.waitForAll()
            }
            let list = try await withThrowingTaskGroup(of: Void.self) { group in
                for index in 0..<3 { group.addTask(name: "outer \(index)") { try await untilCancelled() } }
                await turns()
                defer { group.cancelAll() }
                return try await loop.tasks(timeout: .seconds(60))
            }
            #expect(list.count == 7, "\(list)")
            let own = list.children(of: root)
            #expect(own.count == 5)
            #expect(own.compactMap(\.name) == ["outer 0", "outer 1", "outer 2"])
            #expect(list.dropFirst().allSatisfy { $0.origin == .child })
            let inner = try #require(list.first { $0.name == "inner" })
            let parent = try #require(inner.parent.flatMap { list[id: $0] })
            #expect(parent.state == .waiting(.children))
            #expect(parent.parent == root)
            #expect(
                list.filter { $0.name?.hasPrefix("outer") == true }.allSatisfy {
                    if case .waiting(.time) = $0.state { true } else { false }
                }
            )
        }
    }

    @Test("A child that has ended is not listed, though nobody has taken its value")
    func endedChild() async throws {
        try await onLoop(debug: false) { loop in
            let count = try await withThrowingTaskGroup(of: Int.self) { group in
                for index in 0..<4 { group.addTask { index } }
                group.addTask {
                    try? await untilCancelled()
                    return 4
                }
                await turns()
                defer { group.cancelAll() }
                return try await loop.tasks(timeout: .seconds(60)).count
            }
            #expect(count == 2)
        }
    }

    @Test("A60: from inside a child the list has the parent, which waits, and the child, which runs")
    func fromChild() async throws {
        try await onLoop(debug: false) { loop in
            let states = try await gather([1]) { _ in try await loop.tasks(timeout: .seconds(60)).map(\.state) }[0]
            #expect(states == [.waiting(.children), .running])
        }
    }

    @Test("A53: in debug mode each task that Apus started has its creation site, its parent, its turns and its time")
    func debugDetails() async throws {
        try await onLoop(debug: true) { loop in
            let root = currentTaskID()
            let line = #line + 1
            let task = loop.spawn(name: "made here") { try await waitsInAFunctionOfItsOwn() }
            await turns(10)
            let found = try await loop.tasks(timeout: .seconds(60)).first { $0.name == "made here" }
            let info = try #require(found)
            let site = try #require(info.creationSite?.place)
            #expect(site.file?.hasSuffix("TaskListTests.swift") == true, "\(site)")
            #expect(site.line == line)
            #expect(info.parent == root)
            #expect((info.runs ?? 0) >= 1)
            #expect((info.runTime ?? .zero) > .zero)
            let suspension = try #require(info.suspension)
            let place = try #require(
                suspension.frames.first { $0.function?.contains("waitsInAFunctionOfItsOwn") == true }
            )
            #expect(place.file?.hasSuffix("TaskListTests.swift") == true)
            task.cancel()
            _ = await task.result
        }
    }

    @Test("A53: the children of gather and the like are named by their place, and their site is the call's")
    func namedChildren() async throws {
        try await onLoop(debug: true) { loop in
            let line = #line + 1
            let lists = try await gather([0, 1]) { index in
                await turns(5)
                let list = try await loop.tasks(timeout: .seconds(60))
                await turns(5)
                return list
            }
            let children = lists[0].filter { $0.origin == .child }
            #expect(children.map(\.name) == ["gather[0]", "gather[1]"])
            let places = children.compactMap { $0.creationSite?.place }
            #expect(places.count == 2 && places.allSatisfy { $0.line == line }, "\(places)")
            let race = try await race([0, 1]) { _ in try await loop.tasks(timeout: .seconds(60)).compactMap(\.name) }
            #expect(race.contains("race[0]"))
            let after = try await loop.tasks(timeout: .seconds(60))
            #expect(after.count == 1)
            #expect(loop.registry.allTracked.count == 1, "nothing is left but the root")
        }
    }

    @Test("A59: as a tree, with places and sites")
    func tree() async throws {
        try await onLoop(debug: true) { loop in
            let first = loop.spawn(name: "first") { try await waitsInAFunctionOfItsOwn() }
            let second = loop.spawn(name: "second") { try await first.value }
            await turns()
            let list = try await loop.tasks(timeout: .seconds(60))
            let id = try #require(list.first { $0.name == "first" }?.id)
            let text = list.description
            let lines = text.split(separator: "\n")
            #expect(lines[0] == "Event loop “listed”: 3 tasks")
            #expect(lines[1].hasPrefix("  #") && lines[1].contains("“listed”: runs"), "\(text)")
            #expect(text.contains("    #\(id) “first”: waits for a time"), "\(text)")
            #expect(text.contains("“second”: waits for task #\(id)"), "\(text)")
            let place = /at .*waitsInAFunctionOfItsOwn.* at .*TaskListTests.swift:\d+/
            #expect(text.contains(place), "\(text)")
            #expect(text.contains(/started by .*TaskListTests.swift:\d+/), "\(text)")
            first.cancel()
            _ = await second.result
        }
    }

    @Test("A59: tasks that wait for each other are found, and who waits for them is no part of the circle")
    func cycles() {
        func info(_ id: UInt64, awaits other: UInt64?) -> TaskInfo {
            let state = other.map { TaskInfo.State.waiting(.task($0)) } ?? .ready
            return TaskInfo(id: id, name: nil, origin: .spawned, state: state, isCancelled: false, parent: nil)
        }
        func cycles(_ awaited: [UInt64: UInt64?]) -> [[UInt64]] {
            let tasks = awaited.sorted { $0.key < $1.key }.map { info($0.key, awaits: $0.value) }
            let list = TaskList(tasks, loop: "test", childrenUnavailableReason: nil)
            #expect(list.description.contains("for ever") == !list.cycles.isEmpty)
            return list.cycles
        }
        #expect(cycles([:]) == [])
        #expect(cycles([1: nil, 2: 1, 3: 2]) == [])
        #expect(cycles([1: 1]) == [[1]])
        #expect(cycles([1: 2, 2: 3, 3: 2, 4: 1]) == [[2, 3]])
        #expect(cycles([1: 2, 2: 1, 3: 4, 4: 3]) == [[1, 2], [3, 4]])
        #expect(cycles([1: 99]) == [], "99 is not on this loop")
    }

    @Test("a chain of ten thousand parents is a list and a tree, without a stack of that depth")
    func deep() {
        let tasks = (1...10_000).map { id in
            TaskInfo(
                id: UInt64(id),
                name: nil,
                origin: .child,
                state: .ready,
                isCancelled: false,
                parent: UInt64(id - 1)
            )
        }
        let list = TaskList(tasks, loop: "test", childrenUnavailableReason: "of a test")
        let lines = list.description.split(separator: "\n")
        #expect(lines.count == 1_003)
        #expect(lines[1_001] == "  … and 9000 more")
        #expect(lines[1_002].contains("of a test"))
    }

    // MARK: From elsewhere

    @Test(
        "A61: from another thread, the main actor or another loop the loop is asked, and stays what it was",
        arguments: [false, true]
    )
    func fromElsewhere(debug: Bool) async throws {
        try await onLoop(debug: debug) { loop in
            let sleeper = loop.spawn(name: "sleeper") { try await untilCancelled() }
            await turns()
            let fromMain = try await Task { @MainActor in try await loop.tasks(timeout: .seconds(60)) }.value
            #expect(fromMain.contains { $0.name == "sleeper" })
            let fromLoop = try await EventLoop.with {
                let list = try await loop.tasks(timeout: .seconds(60))
                #expect(EventLoop.current !== loop)
                return list
            }
            #expect(fromLoop.contains { $0.name == "sleeper" })
            #expect(fromLoop.first { $0.origin == .root }?.suspension != nil)
            let fromThread = try await offload {
                try EventLoop.shared.spawn { try await loop.tasks(timeout: .seconds(60)) }.wait()
            }
            #expect(fromThread.contains { $0.name == "sleeper" })
            sleeper.cancel()
            _ = await sleeper.result
        }
    }

    @Test("A58: a loop that is held says so within the time, instead of keeping who asks", arguments: [0, 1, 20])
    func held(milliseconds: Int) async throws {
        let held = try await heldLoop(for: .milliseconds(milliseconds))
        #expect(held.code == .unresponsive)
        #expect("\(held)".contains("“held”"))
    }

    /// What a loop answers that does nothing else than to wait for the answer.
    private func heldLoop(for timeout: Duration) async throws -> LoopError {
        let answer = Mutex<(any Error)?>(nil)
        var options = EventLoop.Options()
        options.name = "held"
        try await EventLoop.with(options) {
            let loop = try currentLoop()
            let gate = Gate()
            EventLoop.shared.spawn {
                do { _ = try await loop.tasks(timeout: timeout) } catch { answer.withLock { $0 = error } }
                gate.open()
            }
            gate.pass()
        }
        return try #require(answer.withLock { $0 } as? LoopError)
    }

    @Test("the shared loop, whose timers everybody uses, says so too when it is held")
    func heldShared() async throws {
        let (begun, gate) = (Gate(), Gate())
        let holder = EventLoop.shared.spawn {
            begun.open()
            gate.pass()
        }
        let error = try await EventLoop.with {
            begun.pass()
            defer { gate.open() }
            do {
                _ = try await EventLoop.shared.tasks(timeout: .milliseconds(10))
            } catch {
                return error as? LoopError
            }
            return nil
        }
        #expect(error?.code == .unresponsive)
        try await holder.value
    }

    @Test("who was cancelled does not wait; a closed loop says that it is closed")
    func cancelledAndClosed() async throws {
        let loop = try await EventLoop.with { try currentLoop() }
        do {
            _ = try await loop.tasks(timeout: .seconds(60))
            Issue.record("a closed loop has no tasks")
        } catch let error as LoopError {
            #expect(error.code == .loopClosed)
        }
        let gate = Gate()
        var options = EventLoop.Options()
        options.name = "slow"
        try await EventLoop.with(options) {
            let loop = try currentLoop()
            let asking = Task { try await loop.tasks(timeout: .seconds(3600)) }
            asking.cancel()
            EventLoop.shared.spawn {
                let result = await asking.result
                if case .failure(let error) = result { #expect(error is CancellationError) }
                gate.open()
            }
            gate.pass()
        }
    }

    // MARK: While everything moves

    @Test("ten thousand tasks are all found, once each, by fewer system calls than there are tasks")
    func many() async throws {
        try await onLoop(debug: false) { loop in
            let tasks = (0..<5_000).map { number in loop.spawn(name: "\(number)") { try await untilCancelled() } }
            let (list, reads) = await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<5_000 { group.addTask { try await untilCancelled() } }
                await turns()
                defer { group.cancelAll() }
                let memory = MemoryCopy()
                let list = TaskSnapshot.take(loop, by: memory)
                return (list, memory.reads)
            }
            #expect(list.count == 10_001)
            #expect(list.allSatisfy { ($0.suspension?.addresses.count ?? 0) > 1 || $0.state == .running })
            // One per piece of memory, and not one for each task, record and call: that held the loop for a second.
            #expect(reads < 5_000)
            #expect(Set(list.map(\.id)).count == 10_001)
            for task in tasks { task.cancel() }
            for task in tasks { _ = await task.result }
        }
    }

    @Test("children that end on another thread meanwhile may be missing, and harm nobody")
    func moving() async throws {
        try await onLoop(debug: false) { loop in
            let found = try await withThrowingTaskGroup(of: Void.self) { group in
                // Its children begin and end on Swift's pool, while the list is made here.
                group.addTask {
                    await withTaskGroup(of: Void.self) { inner in
                        for index in 0..<20_000 {
                            inner.addTask(executorPreference: globalConcurrentExecutor) { await Task.yield() }
                            if index % 16 == 0 { await inner.next() }
                        }
                    }
                }
                var found = 0
                for _ in 0..<200 {
                    found = max(found, try await loop.tasks(timeout: .seconds(60)).count)
                    await Task.yield()
                }
                try await group.waitForAll()
                return found
            }
            #expect(found >= 2)
        }
    }
}
