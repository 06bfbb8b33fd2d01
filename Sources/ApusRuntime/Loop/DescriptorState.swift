/// Is told about a descriptor that no task waits for, such as an idle connection. Loop thread only.
@usableFromInline
package protocol DescriptorWatcher: AnyObject {
    /// The descriptor became readable, was closed by its peer, or its deadline passed (`.timedOut`).
    func descriptorChanged(_ outcome: WaitOutcome)

    /// The loop has ended, and watches nothing any more.
    func loopClosed()

    /// What the watchdog calls the time spent in ``descriptorChanged(_:)``.
    var jobKind: BlockReport.JobKind { get }
}

extension DescriptorWatcher {
    package var jobKind: BlockReport.JobKind { .callback }

    package func loopClosed() {}
}

/// What the loop knows about one descriptor, or about one end of an in-memory stream (`fd` is -1 then).
///
/// It lives behind a pointer with a stable address: dynamic exclusivity checks on class properties cost 15 % of a request.
@usableFromInline
struct DescriptorState {
    /// One direction's waiting task.
    @usableFromInline
    struct Waiter {
        @usableFromInline var continuation: UnsafeContinuation<WaitOutcome, Never>?
        /// Nanoseconds of the loop's clock; `Int64.max` for none.
        @usableFromInline var deadline: Int64 = .max

        init() {}

        @inlinable
        init(continuation: UnsafeContinuation<WaitOutcome, Never>, deadline: Int64) {
            self.continuation = continuation
            self.deadline = deadline
        }
    }

    @usableFromInline var fd: Int32 = -1
    @usableFromInline var generation: UInt32 = 0
    @usableFromInline var index: UInt32 = 0
    @usableFromInline var isOpen = false
    /// Data (or a connection, or an end) may be there: cleared by a read that finds nothing more.
    @usableFromInline var isReadable = false
    @usableFromInline var isWritable = false
    /// RDHUP, HUP or ERR was seen. It never comes again on an edge-triggered descriptor, so it is kept: from now on no read
    /// waits, whatever `isReadable` says, until read(2) itself has said 0 or EAGAIN.
    @usableFromInline var readEnded = false
    @usableFromInline var writeEnded = false
    @usableFromInline var reader = Waiter()
    @usableFromInline var writer = Waiter()
    /// Whether the waiting writer wants to hear of something to read as well.
    @usableFromInline var writerMindsReading = false
    /// A deadline that counts although no task waits, such as that of an idle connection.
    @usableFromInline var idleDeadline: Int64 = .max
    /// Not retained: who watches, stops watching before it goes.
    @usableFromInline unowned(unsafe) var watcher: (any DescriptorWatcher)?
    /// The one timer entry of this descriptor, and when it fires. It is left alone when a deadline moves later.
    var timer = TimerID.none
    @usableFromInline var timerDeadline: Int64 = .max

    /// A file, which epoll refuses (EPERM): always ready.
    @usableFromInline var isAlwaysReady = false

    /// A read may stop before the end of what there is: at a Unix socket's message with descriptors, at TCP's urgent byte. Then only
    /// EAGAIN says that nothing is left.
    @usableFromInline var shortReadsMislead = false

    /// A descriptor that others read and write (``IOHandle``): nothing is latched, and each wait asks the selector anew.
    var isOneShot = false

    /// A descriptor of the loop's own (the main queue, Ctrl-C): virtual time does not stand still for it.
    var isAmbient = false

    /// A datagram socket, whose errors are no ends, and whose watcher hears of errors only.
    var isDatagram = false

    var token: UInt64 { UInt64(generation) << 32 | UInt64(index) }
    /// Whether something outside is waited for.
    var awaitsSystem: Bool {
        guard fd >= 0, !isAmbient else { return false }
        return reader.continuation != nil || writer.continuation != nil || watcher != nil && !isDatagram
    }
}

/// The descriptors of a loop, by slot. The memory of a slot is reused, never freed while the loop lives, so that a stale
/// handle can always compare its generation.
struct DescriptorTable: ~Copyable {
    private var slots = ContiguousArray<UnsafeMutablePointer<DescriptorState>>()
    private var free = ContiguousArray<UInt32>()
    /// Slots in use.
    private(set) var count = 0
    /// Slots in use that stand for a real descriptor of the system.
    private(set) var systemCount = 0

    deinit {
        for slot in slots {
            slot.deinitialize(count: 1)
            slot.deallocate()
        }
    }

    mutating func acquire(fd: Int32) -> UnsafeMutablePointer<DescriptorState> {
        count += 1
        if fd >= 0 { systemCount += 1 }
        let slot: UnsafeMutablePointer<DescriptorState>
        if let index = free.popLast() {
            slot = slots[Int(index)]
        } else {
            slot = .allocate(capacity: 1)
            slot.initialize(to: DescriptorState())
            slot.pointee.index = UInt32(slots.count)
            slots.append(slot)
        }
        slot.pointee.fd = fd
        slot.pointee.isOpen = true
        return slot
    }

    mutating func release(_ slot: UnsafeMutablePointer<DescriptorState>) {
        count -= 1
        if slot.pointee.fd >= 0 { systemCount -= 1 }
        let index = slot.pointee.index
        let generation = slot.pointee.generation &+ 1
        slot.pointee = DescriptorState()
        slot.pointee.index = index
        slot.pointee.generation = generation
        free.append(index)
    }

    /// The open slot that `token` names, or nil if it was closed since.
    subscript(token: UInt64) -> UnsafeMutablePointer<DescriptorState>? {
        let index = Int(truncatingIfNeeded: token & 0xFFFF_FFFF)
        guard index < slots.count else { return nil }
        let slot = slots[index]
        guard slot.pointee.isOpen, slot.pointee.generation == UInt32(truncatingIfNeeded: token >> 32) else {
            return nil
        }
        return slot
    }

    /// All open slots.
    var open: [UnsafeMutablePointer<DescriptorState>] { slots.filter { $0.pointee.isOpen } }
}
