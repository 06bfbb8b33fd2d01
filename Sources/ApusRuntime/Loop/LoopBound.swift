/// A value that only one loop's thread may touch, in a place that any thread may hold.
// @unchecked: `value` checks the thread.
package struct LoopBound<Value>: @unchecked Sendable {
    /// The loop that owns the value.
    package unowned(unsafe) let loop: EventLoop
    private let stored: Value

    package init(_ value: Value, on loop: EventLoop) {
        stored = value
        self.loop = loop
    }

    /// The value. Stops the program when read on another thread: that would be a defect of Apus, and a data race.
    package var value: Value {
        precondition(loop.isCurrent, "loop-owned state was read off its loop")
        return stored
    }

    /// Runs `body` with the value on the loop's thread, at once if this is it.
    package func perform(_ body: @escaping @Sendable (Value) -> Void) {
        loop.perform { body(stored) }
    }
}
