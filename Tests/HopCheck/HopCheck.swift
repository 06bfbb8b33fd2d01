import Apus
import ApusRuntime
import CApus
@preconcurrency import Glibc

/// On which thread does code run? Only a release build can tell: the optimiser decides where a task leaves its executor.
enum HopCheck {
    static func run() -> Int32 {
        let report = Report()
        var options = EventLoop.Options()
        options.name = "check"
        do {
            try EventLoop.run(options) {
                let check = try await Setting.make(report)
                await report.attempt("the loop's own tasks") { try await check.ownTasks() }
                await report.attempt("actors") { try await check.actors() }
                await report.attempt("from elsewhere") { try await check.fromElsewhere() }
                await report.attempt("sessions") { try await check.sessions() }
                await report.attempt("thread changes") { try await check.threadChanges() }
                await report.attempt("several loops") { try await check.severalLoops() }
                await report.attempt("waits") { try await check.waits() }
                await report.attempt("task lists") { try await check.taskLists() }
                await check.end()
            }
        } catch {
            report.check(false, "the program ends without an error: \(error)")
        }
        traps(report)
        wholeProcess(report)
        return report.finish()
    }

    /// The optimiser keeps the checks that stop a data race.
    private static func traps(_ report: Report) {
        for scene in ["off-loop-isolation", "off-loop-actor", "off-loop-value"] {
            guard let status = status(of: scene, report) else { continue }
            let signal = status & 0x7F
            report.check(signal == SIGILL || signal == SIGTRAP, "the scene \(scene) is stopped by a trap")
        }
    }

    /// A process that is a loop's own needs to be one of its own.
    private static func wholeProcess(_ report: Report) {
        for scene in Scene.ofProcess.keys.sorted() {
            guard let status = status(of: scene, report) else { continue }
            report.check(status == 0, "the scene \(scene) passes: run it alone to see what it says")
        }
    }

    /// What waitpid says of a scene that is played in a process of its own.
    private static func status(of scene: String, _ report: Report) -> Int32? {
        // What it says belongs to the scene, and looks like an error here.
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)
        var arguments: [UnsafeMutablePointer<CChar>?] = [strdup("apus-hop-check"), strdup(scene), nil]
        defer { for argument in arguments { free(argument) } }
        var child: pid_t = 0
        guard posix_spawn(&child, "/proc/self/exe", &actions, nil, &arguments, environ) == 0 else {
            report.check(false, "the scene \(scene) can be played")
            return nil
        }
        var status: Int32 = 0
        waitpid(child, &status, 0)
        return status
    }
}

/// A loop on the main thread, another on a thread of its own, and servers.
struct Setting: Sendable {
    let report: Report
    let loop: EventLoop
    let here: Place
    let echo: EchoServer
    let server: HTTPServer
    let url: String

    static func make(_ report: Report) async throws -> Setting {
        guard let loop = EventLoop.current else { throw CancellationError() }
        let server = try await HTTPServer.start { _ in
            await Task.yield()
            return .text("hello")
        }
        return Setting(
            report: report,
            loop: loop,
            here: .here,
            echo: try await .start(),
            server: server,
            url: "http://\(server.address)/"
        )
    }

    func end() async {
        await echo.stop()
        await server.shutdown()
    }

    private func visit() async throws -> Stages { try await Stages.visit(echo: echo.address) }

    // MARK: On the loop

    func ownTasks() async throws {
        report.equal(here.loop, "check", "the closure of run is on the loop from the start")
        try await visit().check(report, "the closure of run", at: here)
        try await loop.spawn { try await visit() }.value.check(report, "a spawned task", at: here)
        async let child = visit()
        try await child.check(report, "async let", at: here)
        try await withThrowingTaskGroup { group in
            group.addTask { try await visit() }
            try await group.next()?.check(report, "a task group's child", at: here)
        }
        for stages in try await gather(0..<3, { _ in try await visit() }) {
            stages.check(report, "a child of gather", at: here)
        }
        try await race({ try await visit() }, { try await visit() }).check(report, "a child of race", at: here)
        try await firstSuccess([1, 2]) { _ in try await visit() }.check(report, "a child of firstSuccess", at: here)
        try await staggeredRace([1, 2], delay: .nanoseconds(1)) { _ in try await visit() }
            .check(report, "a child of staggeredRace", at: here)
        try await asCompleted(1...3, limit: 2) { _ in
            try await visit()
        } consume: { results in
            for try await stages in results { stages.check(report, "a child of asCompleted", at: here) }
            try await visit().check(report, "the consumer of asCompleted", at: here)
        }
        try await withDeadline(nil) { _ in try await visit() }.check(report, "withDeadline's body", at: here)
        try await withShield { try await visit() }.check(report, "withShield's body", at: here)
        try await retry { _ in try await visit() }.check(report, "retry's body", at: here)
        try await Self.concurrent(self).check(report, "a @concurrent function", at: here)
        try await withTimeout(.seconds(60)) { try await visit() }.check(report, "withTimeout's body", at: here)
        try await Task(executorPreference: loop) { try await visit() }.value
            .check(report, "a Task with the loop as its preference", at: here)
        try await Task.immediate { try await visit() }.value.checkNever(report, "an immediate task", on: "")
        let (start, end) = try await Task.immediate {
            let start = Place.here
            try await sleep(for: .nanoseconds(1))
            return (start, Place.here)
        }.value
        report.equal(start, here, "an immediate task begins on the loop's thread")
        report.check(
            end.thread != here.thread || end.loop == "check",
            "and wherever it goes on, current tells the truth"
        )
        try await EventLoop.with {
            let own = Place.here
            try await Stages.visit(echo: echo.address).check(report, "the closure of with", at: own)
            report.check(own.thread != here.thread, "with has a thread of its own")
        }
        report.equal(Place.here, here, "after with, the caller is back")
    }

    @concurrent
    private static func concurrent(_ setting: Setting) async throws -> Stages { try await setting.visit() }

    // MARK: Actors

    func actors() async throws {
        let bound = LoopActor(loop)
        try await bound.visit(echo: echo.address).check(report, "an actor bound to the loop, called on it,", at: here)
        report.equal(bound.assumed(), 1, "assumeIsolated holds on the loop's thread")
        try await Task.detached { try await bound.visit(echo: echo.address) }.value
            .check(report, "an actor bound to the loop, called from the pool,", at: here)
        let fromOther = try await EventLoop.with {
            let stages = try await bound.visit(echo: echo.address)
            report.check(EventLoop.current?.name == "main", "after calling another loop's actor the caller is back")
            return stages
        }
        fromOther.check(report, "an actor bound to the loop, called from another loop,", at: here)
        try await PlainActor().visit(echo: echo.address).check(report, "a default actor called on the loop", at: here)
        report.equal(Place.here, here, "after an actor's method the caller is back")
        try await mainActorVisit().checkNever(report, "a main-actor function", on: "")
        report.equal(Place.here, here, "after a main-actor function the caller is back")
    }

    @MainActor
    private func mainActorVisit() async throws -> Stages {
        let stages = try await visit()
        MainActor.assertIsolated()
        try await withDeadline(nil) { _ in
            await Task.yield()
            MainActor.assertIsolated()
        }
        try await withShield {
            await Task.yield()
            MainActor.assertIsolated()
        }
        try await asCompleted([1, 2]) {
            $0
        } consume: { results in
            for try await _ in results { MainActor.assertIsolated() }
        }
        MainActor.assertIsolated()
        return stages
    }

    // MARK: From elsewhere

    func fromElsewhere() async throws {
        let elsewhere: [(String, @Sendable () async throws -> Void)] = [
            ("the pool", { try await Task.detached { try await hopAndBack("the pool") }.value }),
            ("another loop", { try await EventLoop.with { try await hopAndBack("another loop") } }),
            ("the shared loop", { try await EventLoop.shared.spawn { try await hopAndBack("the shared loop") }.value }),
            ("the main actor", { try await mainActorHop() }),
            ("an immediate task", { try await Task.immediate { try await hopAndBack("an immediate task") }.value }),
            ("an actor on the pool", { try await Task.detached { try await Hopper().hop(self) }.value }),
        ]
        for (_, body) in elsewhere { try await body() }
        // Twenty at once, each of them there and back many times.
        _ = try await gather(0..<20) { _ in
            try await Task.detached {
                for _ in 0..<50 {
                    let place = try await loop.hop {
                        await Task.yield()
                        return Place.here
                    }
                    guard place == here, EventLoop.current == nil else { throw Stray() }
                }
            }.value
        }
        report.check(true, "a thousand hops from the pool, twenty at a time, run on the loop and come back")
        try await Task.detached { try await visit() }.value.checkNever(report, "a task of the pool", on: "check")
    }

    private struct Stray: Error {}

    private func hopAndBack(_ who: String) async throws {
        let before = EventLoop.current.map(ObjectIdentifier.init)
        try await loop.hop { try await visit() }.check(report, "a hop from \(who)", at: here)
        report.check(
            EventLoop.current.map(ObjectIdentifier.init) == before || who == "an immediate task",
            "\(who) is back after it"
        )
    }

    @MainActor
    private func mainActorHop() async throws {
        try await loop.hop { try await visit() }.check(report, "a hop from the main actor", at: here)
        MainActor.assertIsolated()
        report.check(apus_gettid() == here.thread, "the main actor is back on its thread after it")
    }

    private actor Hopper {
        var count = 0
        func hop(_ setting: Setting) async throws {
            try await setting.loop.hop { try await setting.visit() }
                .check(setting.report, "a hop from an actor on the pool", at: setting.here)
            assertIsolated()
            count += 1
        }
    }

    // MARK: Sessions

    func sessions() async throws {
        let session = ClientSession()
        func hops(_ who: String, _ expected: Int, _ body: () async throws -> String) async throws {
            let before = await session.statistics.hops
            for _ in 0..<3 {
                let text = try await body()
                report.check(text == "hello", "session.get from \(who) works")
            }
            let after = await session.statistics.hops
            report.equal(after - before, expected * 3, "session.get from \(who) hops \(expected) times per exchange")
        }
        let url = url
        try await hops("the loop's own task", 0) { try await session.get(url).text() }
        try await hops("a spawned task", 0) { try await loop.spawn { try await session.get(url).text() }.value }
        try await hops("gather's children", 0) { try await gather([url]) { try await session.get($0).text() }[0] }
        try await hops("the pool", 1) { try await Task.detached { try await session.get(url).text() }.value }
        try await hops("another loop", 1) { try await EventLoop.with { try await session.get(url).text() } }
        try await hops("an actor on the pool", 1) {
            try await Task.detached { try await PlainActor().get(session, url) }.value
        }
        for (who, body) in [
            ("the main actor", { try await mainActorGet(session) }),
            ("an actor bound to the loop", { try await LoopActor(loop).get(session, url) }),
            ("a default actor on the loop", { try await PlainActor().get(session, url) }),
            ("an immediate task", { try await Task.immediate { try await session.get(url).text() }.value }),
            ("a streaming closure", { try await session.get(url) { try await $0.text() } }),
        ] as [(String, () async throws -> String)] {
            let before = await session.statistics.hops
            let text = try await body()
            let after = await session.statistics.hops
            report.check(text == "hello" && after - before <= 1, "session.get from \(who) works, with at most one hop")
        }
        let opened = await session.statistics.connectionsOpened
        report.equal(opened, 1, "all of them used one connection")
        await session.close()
    }

    @MainActor
    private func mainActorGet(_ session: ClientSession) async throws -> String {
        let text = try await session.get(url).text()
        MainActor.assertIsolated()
        return text
    }

    // MARK: The trap of pthread_self

    /// Two loops, and a task that changes between them a thousand times: the current loop and thread are right each time.
    ///
    /// A comparison of `pthread_self()` fails here in a release build: glibc marks it `const`, and its value is reused.
    func threadChanges() async throws {
        let loop = loop
        let wrong = try await EventLoop.with {
            guard let other = EventLoop.current else { return -1 }
            let there = Place.here
            let (near, far) = (LoopActor(loop), LoopActor(other))
            var wrong = 0
            for _ in 0..<500 {
                if await near.place != here { wrong += 1 }
                if Place.here != there || !other.isCurrent || loop.isCurrent { wrong += 1 }
                if await far.place != there { wrong += 1 }
                let (isThere, isHere) = try await loop.hop { (loop.isCurrent, other.isCurrent) }
                if !isThere || isHere { wrong += 1 }
                if !other.isCurrent { wrong += 1 }
            }
            return wrong
        }
        report.equal(wrong, 0, "the current loop is right after each of a thousand changes of thread")
    }
}
