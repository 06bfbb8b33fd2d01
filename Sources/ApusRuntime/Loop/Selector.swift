/// What a descriptor has become ready for, in one event.
package struct Readiness: OptionSet, Sendable {
    package var rawValue: UInt8

    package init(rawValue: UInt8) { self.rawValue = rawValue }

    package static let readable = Readiness(rawValue: 1 << 0)
    package static let writable = Readiness(rawValue: 1 << 1)
    /// The peer has sent its last byte: after this, reads go on until they return 0.
    package static let readEnd = Readiness(rawValue: 1 << 2)
    /// Both directions are over, or the descriptor is in error.
    package static let broken = Readiness(rawValue: 1 << 3)
    /// Urgent data (TCP's out-of-band byte): reads stop there, although more may follow.
    package static let urgent = Readiness(rawValue: 1 << 4)
}

/// One event of a selector: which registration, and what it is ready for.
struct SelectorEvent {
    var token: UInt64
    var readiness: Readiness
}

/// Waits for descriptors on behalf of a loop. One backend per file, chosen at compile time.
///
/// A descriptor is registered once, for its whole life, edge-triggered, in both directions; those that others read are armed anew for
/// each wait. The token is never a pointer:
/// an event that was already fetched when its descriptor was closed is told apart by its generation.
protocol Selector: ~Copyable {
    init() throws(LoopError)

    /// Registers `fd`. Returns 0 or an errno.
    mutating func add(_ fd: Int32, token: UInt64) -> Int32

    /// Registers `fd` for ``arm(_:token:reading:writing:)``: for descriptors that others read and write. Returns 0 or an errno.
    mutating func addUnarmed(_ fd: Int32, token: UInt64) -> Int32

    /// Asks for one event of a descriptor that was registered unarmed: at once, if it is ready already, however much of what it had to
    /// give was taken before. Returns 0 or an errno.
    mutating func arm(_ fd: Int32, token: UInt64, reading: Bool, writing: Bool) -> Int32

    /// Forgets `fd`, which must still be open.
    mutating func remove(_ fd: Int32)

    /// Waits up to `timeout` nanoseconds (negative: for ever; 0: looks only) and appends what happened to `events`.
    mutating func wait(timeout: Int64, into events: inout ContiguousArray<SelectorEvent>)

    /// Ends a `wait` in progress, or the next one. Callable from any thread and, on Linux, from a signal handler.
    borrowing func wake()
}
