/// A value that only one loop's thread may touch, in a place that any thread may hold.
// @unchecked: `value` checks the thread.
@usableFromInline
package struct LoopBound<Value>: @unchecked Sendable {
    /// The loop that owns the value.
    @usableFromInline package unowned(unsafe) let loop: EventLoop
    @usableFromInline let stored: Value

    // Inlined, so that the runtime need not look the type up for each value.
    @inlinable
    package init(_ value: Value, on loop: EventLoop) {
        stored = value
        self.loop = loop
    }

    /// The value. Stops the program when read on another thread: that would be a defect of Apus, and a data race.
    package var value: Value {
        precondition(loop.isCurrent, "loop-owned state was read off its loop")
        return stored
    }

    /// The value, for whoever has just seen that this is the loop's thread, as by ``EventLoop/runsCurrentTask``; and for
    /// what is constant in it.
    @inlinable
    package var assumedValue: Value { stored }

    /// Runs `body` with the value on the loop's thread, at once if this is it.
    package func perform(_ body: @escaping @Sendable (Value) -> Void) {
        loop.perform { body(stored) }
    }
}
