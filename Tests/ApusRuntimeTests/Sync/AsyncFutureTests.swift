import ApusRuntime
import Synchronization
import Testing

@Suite("AsyncFuture")
struct AsyncFutureTests {
    @Test("A20: it has no result until it is resolved, and whoever resolves it first decides")
    func states() async throws {
        try await onCleanLoop {
            let future = AsyncFuture<Int>(name: "seven")
            let early = future.result
            #expect(!future.isResolved && early == nil && future.name == "seven")
            let first = future.resolve(returning: 7)
            let second = future.resolve(returning: 8)
            let third = future.resolve(throwing: Oops())
            #expect(first && !second && !third && future.isResolved)
            let value = try await future.value
            let again = try await future.value
            let result = try future.result?.get()
            #expect(value == 7 && again == 7 && result == 7)
        }
    }

    @Test("A20: an error reaches everybody who waits, and who comes later")
    func failure() async throws {
        let reports = Recorder<UnhandledError>()
        try await onCleanLoop(exceptionHandler: reports.note) {
            let future = AsyncFuture<Int>()
            let waiting = (1...3).map { _ in EventLoop.spawn { try await future.value } }
            await turns()
            future.resolve(throwing: Oops(number: 3))
            for task in waiting { await #expect(throws: Oops(number: 3)) { try await task.value } }
            await #expect(throws: Oops(number: 3)) { try await future.value }
        }
        #expect(reports.count == 0)
    }

    @Test("A21: resolving runs nobody who waits: they go on afterwards, in the order in which they came")
    func order() async throws {
        try await onCleanLoop {
            let future = AsyncFuture<Int>()
            let order = Recorder<Int>()
            let tasks = (1...5).map { number in
                EventLoop.spawn {
                    _ = try await future.value
                    order.note(number)
                }
            }
            await turns()
            future.resolve(returning: 0)
            #expect(order.count == 0)
            for task in tasks { try await task.value }
            #expect(order.all == [1, 2, 3, 4, 5])
        }
    }

    @Test("A22: an error that nobody asked for is reported once, with the future's name, when the future goes")
    func unreceived() async throws {
        let reports = Recorder<UnhandledError>()
        try await onCleanLoop(exceptionHandler: reports.note) {
            var future: AsyncFuture<Int>? = AsyncFuture(name: "lost")
            future?.resolve(throwing: Oops(number: 5))
            #expect(reports.count == 0)
            future = nil
            #expect(reports.count == 1)
            AsyncFuture<Int>().resolve(throwing: CancellationError())
            let received = AsyncFuture<Int>()
            received.resolve(throwing: Oops(number: 6))
            _ = received.result
        }
        #expect(reports.all.map(\.taskName) == ["lost"])
        #expect(reports.all.first?.error as? Oops == Oops(number: 5))
        #expect(reports.all.first?.loop == "test")
    }

    @Test("cancelling one who waits ends that wait at once, and disturbs neither the future nor the others")
    func cancelled() async throws {
        try await onCleanLoop {
            let future = AsyncFuture<Int>()
            let tasks = (1...3).map { _ in EventLoop.spawn { try await future.value } }
            await turns()
            tasks[1].cancel()
            await #expect(throws: CancellationError.self) { try await tasks[1].value }
            #expect(!future.isResolved && !tasks[0].isFinished && !tasks[2].isFinished)
            // Cancelled before it waits, of a future that is there.
            let late = EventLoop.spawn {
                withUnsafeCurrentTask { $0?.cancel() }
                return try await future.value
            }
            future.resolve(returning: 4)
            await #expect(throws: CancellationError.self) { try await late.value }
            let values = [try await tasks[0].value, try await tasks[2].value]
            #expect(values == [4, 4])
        }
    }

    @Test("it is resolved by threads, and awaited on two loops and in the pool of tasks, with cancellations")
    func elsewhere() async throws {
        for round in 0..<100 {
            let future = AsyncFuture<Int>()
            let winners = Mutex(0)
            async let first = EventLoop.with { try await future.value }
            async let second = EventLoop.with {
                EventLoop.spawn { try await future.value }.cancel()
                return try await future.value
            }
            async let third = Task { @concurrent in try await future.value }.value
            try await gather(0..<4) { number in
                try await offload {
                    if future.resolve(returning: number) { winners.withLock { $0 += 1 } }
                }
            }
            let values = [try await first, try await second, try await third]
            #expect(Set(values).count == 1 && (0..<4).contains(values[0]), "round \(round)")
            #expect(winners.withLock { $0 } == 1)
        }
    }
}
