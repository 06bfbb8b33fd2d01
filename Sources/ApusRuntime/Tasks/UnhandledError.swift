/// An error that nobody received, with what is known of it: the context of asyncio's exception handler.
public struct UnhandledError: Sendable, CustomStringConvertible {
    /// What happened, to what: a sentence without its full stop.
    public var message: String
    /// The error.
    public var error: any Error
    /// What to do about it.
    public var advice: String
    /// The name of the task that threw it: as it was given, or for a child of ``gather(_:limit:_:)`` and the like `gather[3]`.
    public var taskName: String?
    /// In debug mode, of a spawned task: the runtime's id of it, as in ``TaskInfo/id``.
    public var taskID: UInt64?
    /// The loop it happened on.
    public var loop: String
    /// The system's descriptor that it is about, if it is about one; it may be closed by now.
    public var fileDescriptor: Int32?
    /// In debug mode: where the task was started.
    public var creationSite: CallTrace?

    package init(message: String, error: any Error, advice: String, loop: String) {
        self.message = message
        self.error = error
        self.advice = advice
        self.loop = loop
    }

    public var description: String {
        var text = "\(message): \(error)"
        if !text.hasSuffix(".") { text += "." }
        text += " \(advice)"
        if let creationSite { text += " It was started by \(creationSite)." }
        return text
    }
}
