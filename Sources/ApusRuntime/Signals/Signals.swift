/// Waits for signals of the system: asyncio's `add_signal_handler`, as a sequence.
///
/// ```swift
/// for await signal in try signals(.hup, .term) {
///     if signal == .term { break }
///     try await readConfiguration()
/// }
/// ```
///
/// The signals are handled from this call on, not only from the first `next()`, and until the sequence and its iterators are gone. Then
/// what was there before is put back: the default action, or a handler of the program's own. Each sequence gets each signal, however
/// many there are.
///
/// - **Coalescing.** A signal that comes again before it was taken counts once, as with the system itself. So no more than one of each
///   kind is kept. Signals come in their order, those that come at the same moment by number.
/// - **Ctrl-C.** While somebody waits for `.int`, it does not cancel the closure of ``EventLoop/run(_:_:)``, and a second one does not end
///   the process.
/// - **Masks.** The thread of the loop that watches is let receive the signals, whatever mask it has inherited.
/// - **Children.** A program that is executed finds the defaults: the system resets handled signals. So does a forked copy of this one,
///   where nothing comes out of the sequence any more.
/// - **System calls** that a signal interrupts in other threads are restarted (SA_RESTART), except those that never are: see signal(7).
///
/// Works on any thread and loop; off every loop, ``EventLoop/shared`` watches. The end of the loop ends the sequence.
///
/// - Parameter signals: at least one.
/// - Throws: ``LoopError`` `.invalidArgument` for SIGKILL and SIGSTOP, which cannot be caught, for SIGSEGV, SIGBUS, SIGFPE, SIGILL and
///   SIGTRAP, which are a crash, for numbers that are none, and for an empty list; `.systemResources`; `.loopClosed`.
public func signals(_ signals: Signal...) throws(LoopError) -> SignalSequence {
    try SignalSequence(signals)
}

/// Waits for signals that a list names: see ``signals(_:)-(Signal...)``.
public func signals(_ signals: [Signal]) throws(LoopError) -> SignalSequence {
    try SignalSequence(signals)
}

/// The signals that come: see ``signals(_:)-(Signal...)``.
///
/// Several tasks that iterate the same sequence share its signals: each goes to one of them.
public struct SignalSequence: AsyncSequence, Sendable {
    public typealias Element = Signal
    public typealias Failure = Never

    /// Ends the listening when the last copy is gone.
    fileprivate final class Owner: Sendable {
        let listener: SignalListener
        init(_ listener: SignalListener) { self.listener = listener }
        deinit { listener.stop() }
    }

    private let owner: Owner

    init(_ signals: [Signal]) throws(LoopError) {
        owner = Owner(try SignalListener(signals, on: .current ?? .shared))
    }

    public func makeAsyncIterator() -> Iterator { Iterator(owner) }

    /// Takes one signal after the other.
    public struct Iterator: AsyncIteratorProtocol, Sendable {
        private let owner: Owner

        fileprivate init(_ owner: Owner) { self.owner = owner }

        /// The next signal; nil when the task is cancelled or the loop that watches has ended.
        ///
        /// Cancel safety: ends the wait at once. A signal that has come and was not taken stays for the next call.
        public func next() async -> Signal? { await owner.listener.next() }

        /// The next signal, awaited with the caller's isolation: as ``next()``.
        public func next(isolation actor: isolated (any Actor)?) async -> Signal? { await owner.listener.next() }
    }
}
