import Apus
import ApusRuntime
import Glibc
import Synchronization

// Scenes about several runs on one loop.
extension Scene {
    /// Each run serves the main actor and hears Ctrl-C; what is spawned goes on in the next.
    static func runner() -> Int32 {
        play {
            let runner = EventLoop.Runner()
            let (left, ended) = (Mark(), Mark())
            do {
                try runner.run {
                    EventLoop.spawn {
                        left.set()
                        try? await untilCancelled()
                        ended.set()
                    }
                    kill(getpid(), SIGINT)
                    try await untilCancelled()
                }
            } catch is CancellationError {
                print("run 1: cancelled, default between: \(sigintIsDefault)")
            }
            let number = try runner.run { await onMainActor() }
            print("main actor: \(number)")
            print("run 2: \(try runner.run { Task.isCancelled } ? "cancelled" : "not cancelled")")
            print("spawned in run 1: \(left.isSet && !ended.isSet ? "still there" : "gone")")
            try runner.close()
            do {
                try runner.run {}
            } catch let error as LoopError {
                print("closed: \(error.code), leftover cancelled: \(ended.isSet)")
            }
        }
    }

    @MainActor
    private static func onMainActor() async -> Int {
        await Task.yield()
        return 1
    }

    private final class Mark: Sendable {
        private let value = Atomic(false)
        var isSet: Bool { value.load(ordering: .acquiring) }
        func set() { value.store(true, ordering: .releasing) }
    }
}
