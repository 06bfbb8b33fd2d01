import Logging

extension EventLoop {
    /// Reports an error that nobody will receive, through `loop`'s ``Options/exceptionHandler``, or its logger if there is none.
    /// Being cancelled is how tasks end, and is not reported; asyncio does not either.
    ///
    /// - Parameters:
    ///   - task: the task's name, or of a combinator's child `name[index]`.
    ///   - loop: nil for what ran off any loop: it is logged.
    static func reportUnhandled(_ error: any Error, of task: String?, on loop: EventLoop?) {
        if error is CancellationError { return }
        let unhandled = UnhandledError(taskName: task, error: error, loop: loop?.name ?? "none")
        if let handler = loop?.options.exceptionHandler {
            handler(unhandled)
        } else {
            (loop?.logger ?? Logger(label: "apus")).error("\(unhandled)")
        }
    }
}
