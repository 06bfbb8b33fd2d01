import Apus

/// How a run is shown while it goes on: drawn on a terminal, told in lines elsewhere, or not at all.
struct RunView: Sendable {
    private enum Kind: Sendable {
        case none
        case plain(PlainView)
        case live(LiveView)
    }

    let console: Console
    private let kind: Kind

    /// - Parameter isWanted: else nothing is shown.
    init(_ statistics: RunStatistics, on console: Console, isWanted: Bool) {
        self.console = console
        if !isWanted {
            kind = .none
        } else if console.error.isLive {
            kind = .live(LiveView(statistics: statistics, console: console))
        } else {
            kind = .plain(PlainView(statistics: statistics, console: console))
        }
    }

    /// A frame is drawn on standard error.
    var isLive: Bool { if case .live = kind { true } else { false } }

    /// Runs `body`, and shows meanwhile how it goes on.
    ///
    /// - Throws: what `body` throws.
    ///
    /// Cancel safety: that of `body`. The view goes on until it has ended.
    func during<Success>(_ body: nonisolated(nonsending) () async throws -> Success) async throws -> Success {
        let drawing = start()
        defer {
            drawing?.cancel()
            console.close()
        }
        return try await body()
    }

    // Not a child task, which Ctrl-C would end together with the run's own.
    private func start() -> LoopTask<Void>? {
        switch kind {
        case .none: nil
        case .plain(let view): EventLoop.spawn(name: "view") { await view.run() }
        case .live(let view): EventLoop.spawn(name: "view") { await view.run() }
        }
    }
}
