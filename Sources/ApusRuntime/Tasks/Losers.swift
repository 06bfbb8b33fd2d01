/// How one child of a combinator ended.
struct ChildEnd<Success: Sendable>: Sendable {
    /// The place of its element, or of its closure.
    var index: Int
    var result: Result<Success, any Error>

    init(index: Int, _ tracking: ChildTracking?, _ body: @Sendable () async throws -> Success) async {
        if let tracking {
            self = await Self.tracked(index, tracking, body)
            return
        }
        self.index = index
        do {
            result = .success(try await body())
        } catch {
            result = .failure(error)
        }
    }

    private init(index: Int, result: Result<Success, any Error>) {
        self.index = index
        self.result = result
    }

    // Apart: what tracking needs would enlarge the frame of every child, debug mode or not.
    private static func tracked(
        _ index: Int,
        _ tracking: ChildTracking,
        _ body: @Sendable () async throws -> Success
    ) async -> ChildEnd {
        let tracking = tracking.begin(index)
        let end = await ChildEnd(index: index, nil, body)
        tracking.end()
        return end
    }
}

/// What becomes of the children that did not decide the outcome: their values can be closed, their errors are reported.
struct Losers<Success: Sendable>: Sendable {
    private let name: String
    private let loop: EventLoop?
    private let discard: (@Sendable (Success) async -> Void)?
    private let onFailure: (@Sendable (any Error) -> Void)?

    /// - Parameter name: the combinator's, for reports.
    init(
        of name: String,
        on loop: EventLoop?,
        discard: (@Sendable (Success) async -> Void)?,
        onFailure: (@Sendable (any Error) -> Void)? = nil
    ) {
        self.name = name
        self.loop = loop
        self.discard = discard
        self.onFailure = onFailure
    }

    func take(_ end: ChildEnd<Success>) async {
        switch end.result {
        case .success(let value): await discard?(value)
        case .failure(let error): take(error, index: end.index)
        }
    }

    func take(_ error: any Error, index: Int) {
        if let onFailure {
            if !(error is CancellationError) { onFailure(error) }
        } else {
            EventLoop.reportUnhandled(error, of: name, child: index, on: loop)
        }
    }
}
