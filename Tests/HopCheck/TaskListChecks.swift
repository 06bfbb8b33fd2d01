import Apus
import ApusRuntime

/// Are all tasks found in a release build, whose functions have no frames of their own and whose tasks are somewhere else?
extension Setting {
    func taskLists() async throws {
        let sleeper = loop.spawn(name: "sleeper") { try await sleep(for: .seconds(3600)) }
        let waiter = loop.spawn(name: "waiter") { try await sleeper.value }
        await Task.yield()
        try await withThrowingTaskGroup(of: Void.self) { group in
            async let _: Void = sleep(for: .seconds(3600))
            for index in 0..<3 { group.addTask(name: "child \(index)") { try await sleep(for: .seconds(3600)) } }
            for _ in 0..<200 { await Task.yield() }
            let list = try await loop.tasks()
            report.check(list.childrenUnavailableReason == nil, "this runtime's tasks can be read")
            report.equal(list.first { $0.origin == .root }?.state, .running, "the loop's main task runs")
            let named = list.filter { $0.name?.hasPrefix("child ") == true }
            report.equal(
                named.compactMap(\.name),
                ["child 0", "child 1", "child 2"],
                "a task group's children are found"
            )
            report.check(named.allSatisfy { $0.state.isSleep }, "and sleep")
            report.equal(
                list.filter { $0.origin == .child && $0.name == nil && $0.state.isSleep }.count,
                1,
                "the child of async let is found"
            )
            let awaited = list.first { $0.name == "sleeper" }?.id ?? 0
            report.equal(
                list.first { $0.name == "waiter" }?.state,
                .waiting(.task(awaited)),
                "who awaits a task, awaits that one"
            )
            let places = named.compactMap { $0.suspension?.frames.contains { $0.function != nil } }
            report.equal(places, [true, true, true], "where a child waits has names")
            let elsewhere = try await Task.detached { try await loop.tasks() }.value
            report.equal(Set(elsewhere.map(\.id)), Set(list.map(\.id)), "another thread is told the same")
            group.cancelAll()
        }
        sleeper.cancel()
        _ = await (sleeper.result, waiter.result)
        var options = EventLoop.Options()
        options.debug = true
        let site = try await EventLoop.with(options) {
            EventLoop.spawn(name: "made here") { try await sleep(for: .seconds(3600)) }
            // Only what has begun is known by its id.
            for _ in 0..<10 { await Task.yield() }
            return try await EventLoop.current?.tasks().first { $0.name == "made here" }?.creationSite?.place
        }
        report.check(
            site?.file?.hasSuffix("TaskListChecks.swift") == true,
            "where a task was made is in the program, not in Apus: \(site?.file ?? "nowhere"):\(site?.line ?? 0)"
        )
        report.equal(Place.here, here, "after tasks a task is on its loop")
    }
}

extension TaskInfo.State {
    fileprivate var isSleep: Bool { if case .waiting(.time) = self { true } else { false } }
}
