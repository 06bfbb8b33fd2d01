import CApus

// The one file of Apus that starts unstructured tasks: a bare `Task { }` does not inherit the loop, and nobody would own it.
extension EventLoop {
    /// Starts a task on this loop, and returns its handle: asyncio's `create_task`. Safe from any thread.
    ///
    /// Prefer structured forms (`async let`, task groups, ``gather(_:limit:_:)``) where the task need not outlive its function.
    /// Tasks that are left when ``run(_:_:)`` or ``with(_:_:)`` ends are cancelled and awaited. On a closed loop the task runs,
    /// and finds that every Apus operation in it throws ``LoopError`` `.loopClosed`.
    ///
    /// Synchronous code on another thread gets the value, or the error, by ``LoopTask/wait(timeout:)``, and ends the task by
    /// ``LoopTask/cancel()``: asyncio's `run_coroutine_threadsafe`.
    ///
    /// - Parameter name: shown by reports and debuggers.
    @discardableResult
    @inlinable  // for the type of the value, whose metadata code for all types would ask for at each step
    public func spawn<Success: Sendable>(
        name: String? = nil,
        _ body: @escaping @Sendable () async throws -> Success
    ) -> LoopTask<Success> {
        let record = ValueRecord<Success>(name: name, loop: self)
        let id = register(record)
        let task = Task(name: name, executorPreference: self) {
            let tracking = self.tracks(record)
            do {
                let value = try await body()
                self.ended(id, tracking)
                record.finished(with: value)
                return value
            } catch {
                self.ended(id, tracking)
                record.finished(error)
                throw error
            }
        }
        record.started(at: address(of: task)) { task.cancel() }
        return LoopTask(task, record)
    }

    /// Starts a task on the loop of this thread, or on ``shared`` if there is none.
    @discardableResult
    @inlinable
    public static func spawn<Success: Sendable>(
        name: String? = nil,
        _ body: @escaping @Sendable () async throws -> Success
    ) -> LoopTask<Success> {
        (current ?? shared).spawn(name: name, body)
    }

    /// Runs `body` on this loop as a task of the loop's own, from wherever the caller is, and awaits it; cancellation goes along.
    ///
    /// The other ways that were tried leave the loop in release builds: an executor preference alone keeps the body on the
    /// caller's thread until its first suspension, and an actor bound to the loop goes wrong when the body begins with `await`.
    package func hop<Success: Sendable>(
        _ body: @escaping @Sendable () async throws -> Success
    ) async throws -> Success {
        let task = try startHop(body)
        return try await withTaskCancellationHandler {
            try await task.value
        } onCancel: {
            task.cancel()
        }
    }

    /// Starts the task of a ``hop(_:)``, which its caller awaits and cancels.
    func startHop<Success: Sendable>(
        _ body: @escaping @Sendable () async throws -> Success
    ) throws -> Task<Success, any Error> {
        if isForked { throw LoopError.forked(name) }
        return options.debug ? trackedHop(body) : Task(executorPreference: self, operation: body)
    }

    @inline(never)
    private func trackedHop<Success: Sendable>(
        _ body: @escaping @Sendable () async throws -> Success
    ) -> Task<Success, any Error> {
        let creation = TaskCreation()
        return Task(executorPreference: self) {
            let tracking = self.track(creation, name: "hop")
            defer { tracking.end() }
            return try await body()
        }
    }

    /// Starts a task that nobody awaits, for the loop's own purposes: it must not throw.
    package func startDetached(_ body: @escaping @Sendable () async -> Void) {
        let record = TaskRecord(name: nil, loop: self)
        let id = registry.insert(record)
        let task = Task(executorPreference: self) {
            let tracking = self.tracks(record)
            await body()
            tracking?.end()
            self.registry.remove(id)
            record.finished(nil)
        }
        record.started(at: address(of: task)) { task.cancel() }
    }

    /// Starts the task that a loop runs for. It never throws: it stores its outcome.
    func startRoot(_ record: TaskRecord, _ body: @escaping @Sendable () async -> Void) {
        let id = registry.insertRoot(record)
        let task = Task(name: record.name, executorPreference: self) {
            record.begins(at: UInt(bitPattern: swift_task_getCurrent()))
            let tracking = self.tracks(record)
            await body()
            tracking?.end()
            self.registry.removeRoot(id)
        }
        record.started(at: address(of: task)) { task.cancel() }
    }

    /// Runs a closure of the caller's in a task that the caller's cancellation does not reach, with the caller's isolation and the
    /// executor that its task prefers, and awaits it.
    static func runUncancelled<Success>(_ body: CallersBody<Success>, isolation: isolated (any Actor)?) async {
        let executor = withUnsafeCurrentTask { $0?.unownedTaskExecutor?.asTaskExecutor() }
        let debugged = current.flatMap { $0.options.debug ? (loop: $0, creation: TaskCreation()) : nil }
        await Task(executorPreference: executor) {
            let tracking = debugged.map { $0.loop.track($0.creation, name: "withShield") }
            await body.run(isolation: isolation)
            tracking?.end()
        }.value
    }

    /// Starts a task on another executor. It inherits the caller's task-local values, which is why offloaded calls are tasks.
    static func startTask<Success: Sendable>(
        on executor: any TaskExecutor,
        _ body: @escaping @Sendable () -> Success
    ) -> Task<Success, Never> {
        Task(executorPreference: executor) { body() }
    }

    /// The same for a call, without a closure around it.
    static func start(_ call: OffloadedCall, on pool: ThreadPool) -> Task<Void, Never> {
        Task(executorPreference: pool) { call.run() }
    }

    @usableFromInline
    func register(_ record: TaskRecord) -> UInt64 { registry.insert(record) }

    @usableFromInline
    func ended(_ id: UInt64, _ tracking: TaskTracking?) {
        tracking?.end()
        registry.remove(id)
    }
}

/// Where the runtime keeps a task: for looking at it, while something keeps it alive.
@inlinable
func address<Success, Failure>(of task: Task<Success, Failure>) -> UInt { unsafeBitCast(task, to: UInt.self) }

/// The runtime's id of the task that runs on this thread.
func currentTaskID() -> UInt64 {
    guard let task = swift_task_getCurrent() else { return 0 }
    return jobTaskID(unsafeBitCast(task, to: UnownedJob.self))
}
