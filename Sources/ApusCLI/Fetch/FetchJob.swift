import Apus
import Synchronization

/// Runs a ``FetchRun``: its reader, its workers on one loop or several, and its end.
struct FetchJob: Sendable {
    let run: FetchRun
    let configuration: ClientSession.Configuration
    let concurrency: Int
    /// Nil is the loop of the caller, which also reads the input and writes the records.
    let loops: Int?
    /// The only server that gets the secrets; nil for that of the first URL.
    let secretOrigin: Origin?
    let grace: Duration

    /// Works until the input is at its end, or the run was told to end: see ``FetchRun/end``.
    ///
    /// - Throws: what concerns all URLs, such as ``OutputError`` and ``InputError``.
    ///
    /// Cancel safety: as an interrupt. What is under way has the grace period.
    func work(_ reader: InputReader) async throws {
        let end = run.end
        Termination.onSignal { end.begin(.signal) }
        try await withTaskCancellationHandler {
            guard let loops else { return try await work(reader, on: [EventLoop.current ?? .shared]) }
            try await LoopGroup.with(count: loops) { try await work(reader, on: $0.loops) }
        } onCancel: {
            end.begin(.signal)
        }
        if let error = end.error { throw error }
    }

    private func work(_ reader: InputReader, on loops: [EventLoop]) async throws {
        let tasks = RunningTasks()
        let ending = EventLoop.spawn(name: "end") { try await wait(toEnd: tasks) }
        let reading = EventLoop.spawn(name: "input") { await read(reader, tasks, loops) }
        tasks.add(reader: reading)
        _ = await reading.result
        for worker in tasks.workers { _ = await worker.result }
        ending.cancel()
        _ = await ending.result
        await run.flush()
    }

    /// Cancels what does not end by itself.
    private func wait(toEnd tasks: RunningTasks) async throws {
        try await run.end.wait()
        // Standard input may be silent for ever.
        tasks.cancelReader()
        run.watch.setPhase(.finishing)
        if run.end.error == nil, grace > .zero {
            await run.watch.note(
                "finishing what is under way, for up to \(Format.time(grace)); once more stops at once"
            )
            try await sleep(for: grace)
        }
        tasks.cancelWorkers()
    }

    private func read(_ reader: InputReader, _ tasks: RunningTasks, _ loops: [EventLoop]) async {
        var reader = reader
        do {
            if let first = try await reader.first(run) {
                var configuration = configuration
                // Who gets the credentials is known now.
                if run.plan.hasSecrets { configuration.secretOrigins = [secretOrigin ?? first.item.uri.origin] }
                start(configuration, tasks, loops)
                run.queue.add([first])
                try await reader.read(into: run)
            }
            run.queue.finish()
        } catch is CancellationError {
            run.queue.stop()
        } catch {
            run.end.begin(.error(error))
        }
    }

    private func start(_ configuration: ClientSession.Configuration, _ tasks: RunningTasks, _ loops: [EventLoop]) {
        for (number, loop) in loops.enumerated() {
            // Twice as many as there are places: see the schedule's patience.
            let count = 2 * concurrency
            let share = count / loops.count + (number < count % loops.count ? 1 : 0)
            guard share > 0 else { continue }
            tasks.add(
                worker: loop.spawn(name: "fetch") {
                    try await ClientSession.with(configuration) { session in
                        let worker = FetchWorker(
                            run: run,
                            session: session,
                            files: FileTrips(isInMemory: run.plan.storage?.isInMemory ?? false)
                        )
                        await withTaskGroup { group in
                            for _ in 0..<share {
                                group.addTask(executorPreference: loop) { await worker.work() }
                            }
                        }
                    }
                }
            )
        }
    }
}

/// The tasks of a run, to be cancelled from wherever its end is known.
private final class RunningTasks: Sendable {
    private struct State {
        var reader: LoopTask<Void>?
        var workers: [LoopTask<Void>] = []
        var cancelsReader = false
        var cancelsWorkers = false
    }

    private let state = Mutex(State())

    var workers: [LoopTask<Void>] { state.withLock { $0.workers } }

    func add(reader: LoopTask<Void>) {
        let cancels = state.withLock { state in
            state.reader = reader
            return state.cancelsReader
        }
        if cancels { reader.cancel() }
    }

    func add(worker: LoopTask<Void>) {
        let cancels = state.withLock { state in
            state.workers.append(worker)
            return state.cancelsWorkers
        }
        if cancels { worker.cancel() }
    }

    func cancelReader() {
        let reader = state.withLock { state in
            state.cancelsReader = true
            return state.reader
        }
        reader?.cancel()
    }

    func cancelWorkers() {
        let workers = state.withLock { state in
            state.cancelsWorkers = true
            return state.workers
        }
        for worker in workers { worker.cancel() }
    }
}
