import Logging

extension EventLoop {
    /// Reports the error of a combinator's child that nobody will receive, through `loop`'s ``Options/exceptionHandler``, or its logger
    /// if there is none. Being cancelled is how tasks end, and is not reported; asyncio does not either.
    ///
    /// - Parameters:
    ///   - combinator: the function's name, or the future's.
    ///   - index: which child; nil where there is only one.
    ///   - advice: what to do, where it is no combinator.
    ///   - loop: nil for what ran off any loop: it is logged.
    static func reportUnhandled(
        _ error: any Error,
        of combinator: String,
        child index: Int? = nil,
        advice: String? = nil,
        on loop: EventLoop?
    ) {
        if error is CancellationError { return }
        let name = index.map { "\(combinator)[\($0)]" } ?? combinator
        var report = UnhandledError(
            message:
                "\(index == nil ? "" : "Child ")“\(name)” on event loop “\(loop?.name ?? "none")” ended with an error that nobody received",
            error: error,
            advice: advice ?? combinatorAdvice(combinator),
            loop: loop?.name ?? "none"
        )
        report.taskName = name
        guard let loop else { return Logger(label: "apus").error("\(report)") }
        loop.report(report)
    }

    /// A child has no handle whose value could be awaited.
    private static func combinatorAdvice(_ combinator: String) -> String {
        let decided = "The outcome was decided before. Catch the error inside the closure"
        return switch combinator {
        case "gather": "\(decided), or use `gatherResults`, which returns every error."
        case "firstSuccess", "staggeredRace": "\(decided), or take it by `onFailure`."
        case "asCompleted": "\(decided), or take every result before `consume` ends."
        default: "\(decided)."
        }
    }

    /// Tells the ``Options/exceptionHandler``, or the logger if there is none. Being cancelled is how things end, and is not told.
    package func report(_ report: UnhandledError) {
        if report.error is CancellationError { return }
        if let handler = options.exceptionHandler {
            handler(report)
        } else if report.creationSite != nil {
            DebugReports.add { [logger] in logger.error("\(report)") }
        } else {
            logger.error("\(report)")
        }
    }
}
