/// Carries a closure of the caller's into another task, and its result back: for scoped functions that need a task of its own, since
/// Swift cancels, and shields, only tasks.
// @unchecked: the caller is suspended while the other task runs with the caller's isolation, so nothing is used by two at once.
final class CallersBody<Success>: @unchecked Sendable {
    private var body: (() async throws -> Success)?
    private var outcome: Result<Success, any Error>?

    init(_ body: @escaping () async throws -> Success) { self.body = body }

    /// Called once, by the other task, with the caller's isolation: handed over like this it holds, whereas a task's closure that
    /// merely captures it runs without (6.3.1).
    func run(isolation: isolated (any Actor)?) async {
        guard let body else { return }
        do {
            outcome = .success(try await body())
        } catch {
            outcome = .failure(error)
        }
        // The closure ends with its scope; the task that ran it may be freed a little later.
        self.body = nil
    }

    /// What the closure returned or threw. Called by the caller, after ``run(isolation:)``.
    var result: Result<Success, any Error> { outcome ?? .failure(CancellationError()) }
}
