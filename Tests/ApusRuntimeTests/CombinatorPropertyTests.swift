import ApusRuntime
import ApusTesting
import Testing

/// Random children, in virtual time: whatever happens, each error and each value arrives exactly once, and nothing is left running.
@Suite("Combinators, at random")
struct CombinatorPropertyTests {
    private static let seeds: UInt64 = 1000

    /// A child that takes some time, and then, or when it is cancelled, gives a value, an error, or a cancellation.
    private struct Child: Sendable {
        enum End: CaseIterable { case value, error, cancellation }
        var number: Int
        var seconds: Int
        var end: End
        var endIfCancelled: End
        /// How long it takes to notice.
        var slowness: Int
    }

    /// What the children did, and what became of it.
    private struct Ledger: Sendable {
        let running = Gauge()
        let errors = Recorder<Int>()
        let values = Recorder<Int>()
        let receivedErrors = Recorder<Int>()
        let receivedValues = Recorder<Int>()

        func run(_ child: Child, on loop: EventLoop) async throws -> Int {
            running.enter()
            defer { running.leave() }
            var end = child.end
            do {
                if child.seconds > 0 { try await sleep(for: .seconds(child.seconds)) }
            } catch {
                end = child.endIfCancelled
                if child.slowness > 0 {
                    _ = try? await loop.spawn { try await sleep(for: .seconds(child.slowness)) }.value
                }
            }
            switch end {
            case .value:
                values.note(child.number)
                return child.number
            case .error:
                errors.note(child.number)
                throw Oops(number: child.number)
            case .cancellation: throw CancellationError()
            }
        }

        func receive(_ error: any Error) {
            switch error {
            case let error as Oops: receivedErrors.note(error.number)
            case let error as AllFailedError: for one in error.errors { receive(one) }
            default: break
            }
        }

        func receive(_ body: () async throws -> Int) async {
            do { receivedValues.note(try await body()) } catch { receive(error) }
        }

        func check(_ what: String, values checksValues: Bool = true) {
            #expect(running.now == 0, "\(what): children are left")
            #expect(receivedErrors.all.sorted() == errors.all.sorted(), "\(what): errors")
            if checksValues { #expect(receivedValues.all.sorted() == values.all.sorted(), "\(what): values") }
        }
    }

    private enum Combinator: CaseIterable { case gather, race, firstSuccess, staggeredRace, asCompleted }

    private static func children(_ random: inout SplitMix) -> [Child] {
        (0..<Int.random(in: 1...8, using: &random)).map { number in
            Child(
                number: number,
                seconds: Int.random(in: 0...5, using: &random),
                end: Child.End.allCases.randomElement(using: &random) ?? .value,
                endIfCancelled: Child.End.allCases.randomElement(using: &random) ?? .value,
                slowness: max(0, Int.random(in: -2...2, using: &random))
            )
        }
    }

    private static func perform(_ combinator: Combinator, _ children: [Child], _ ledger: Ledger, _ seed: UInt64)
        async throws
    {
        let loop = try currentLoop()
        var random = SplitMix(seed: seed)
        let limit = Int.random(in: 1...8, using: &random)
        let isSlow = Bool.random(using: &random)
        let leavesAfter = Int.random(in: 1...12, using: &random)
        let timeout: Duration? = Bool.random(using: &random) ? .seconds(Int.random(in: 0...9, using: &random)) : nil
        let discard: @Sendable (Int) async -> Void = { ledger.receivedValues.note($0) }
        switch combinator {
        case .gather:
            // Its values are lost when it throws: there is nobody to give them to.
            await ledger.receive {
                for value in try await gather(children, limit: limit, { try await ledger.run($0, on: loop) }) {
                    ledger.receivedValues.note(value)
                }
                throw CancellationError()
            }
        case .race:
            await ledger.receive { try await race(children, discard: discard) { try await ledger.run($0, on: loop) } }
        case .firstSuccess:
            await ledger.receive {
                try await firstSuccess(children, discard: discard) { try await ledger.run($0, on: loop) }
            }
        case .staggeredRace:
            await ledger.receive {
                try await staggeredRace(children, delay: .seconds(limit - 1), discard: discard) {
                    try await ledger.run($0, on: loop)
                }
            }
        case .asCompleted:
            await ledger.receive {
                try await asCompleted(children, limit: limit, timeout: timeout, discard: discard) {
                    try await ledger.run($0, on: loop)
                } consume: { results in
                    var taken = 0
                    for try await value in results {
                        ledger.receivedValues.note(value)
                        taken += 1
                        if taken == leavesAfter { break }
                        if isSlow { try await sleep(for: .seconds(1)) }
                    }
                    throw CancellationError()
                }
            }
        }
    }

    @Test(
        "each error and each value arrives once, and no child is left, with and without cancelling",
        arguments: Combinator.allCases,
        [false, true]
    )
    private func nothingIsLost(combinator: Combinator, cancels: Bool) async throws {
        // The handler belongs to the loop, the ledger to a seed.
        let ledgers = Recorder<Ledger>()
        try await onCleanLoop(exceptionHandler: { ledgers.all.last?.receive($0.error) }) {
            let loop = try currentLoop()
            for seed in 0..<Self.seeds {
                var random = SplitMix(seed: seed)
                let children = Self.children(&random)
                let cancelsAfter = Int.random(in: 0...6, using: &random)
                let ledger = Ledger()
                ledgers.note(ledger)
                let task = loop.spawn { try await Self.perform(combinator, children, ledger, seed) }
                let call = cancels ? loop.schedule(after: .seconds(cancelsAfter), task.cancel) : nil
                try await task.value
                call?.cancel()
                ledger.check("seed \(seed)", values: combinator != .gather)
            }
        }
    }
}
