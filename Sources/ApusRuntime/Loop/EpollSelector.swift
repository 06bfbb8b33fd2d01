#if os(Linux) || os(Android)
import CApus
import Glibc

/// The selector of Linux: epoll(7), edge-triggered; one-shot and level-triggered for descriptors that others read.
struct EpollSelector: Selector, ~Copyable {
    /// The token of the wake-up descriptor; slot tokens never reach it, since their index is 32 bits.
    private static let wakeToken = UInt64.max
    private static let capacity = 512

    private let epoll: Int32
    private let wakeDescriptor: Int32
    private let buffer: UnsafeMutablePointer<epoll_event>
    private let waitsInMilliseconds: Bool

    init() throws(LoopError) { try self.init(waitsInMilliseconds: false) }

    /// - Parameter waitsInMilliseconds: waits as on kernels before 5.11, which know no shorter time.
    init(waitsInMilliseconds: Bool) throws(LoopError) {
        self.waitsInMilliseconds = waitsInMilliseconds
        let epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
        let wakeDescriptor = epoll < 0 ? -1 : eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
        let error = errno
        self.epoll = epoll
        self.wakeDescriptor = wakeDescriptor
        buffer = .allocate(capacity: Self.capacity)
        // From here on `deinit` frees what was made.
        if wakeDescriptor < 0 {
            throw LoopError(.systemResources, errno: error, while: "making an event loop's descriptors")
        }
        let refusal = add(wakeDescriptor, token: Self.wakeToken)
        if refusal != 0 {
            throw LoopError(.systemResources, errno: refusal, while: "watching an event loop's wake-up descriptor")
        }
    }

    deinit {
        if epoll >= 0 { close(epoll) }
        if wakeDescriptor >= 0 { close(wakeDescriptor) }
        buffer.deallocate()
    }

    mutating func add(_ fd: Int32, token: UInt64) -> Int32 {
        let events = EPOLLIN.rawValue | EPOLLOUT.rawValue | EPOLLPRI.rawValue | EPOLLRDHUP.rawValue | EPOLLET.rawValue
        return control(EPOLL_CTL_ADD, fd, token: token, events: events)
    }

    mutating func addUnarmed(_ fd: Int32, token: UInt64) -> Int32 {
        control(EPOLL_CTL_ADD, fd, token: token, events: EPOLLONESHOT.rawValue)
    }

    mutating func arm(_ fd: Int32, token: UInt64, reading: Bool, writing: Bool) -> Int32 {
        // Level-triggered: what is ready already is an event.
        var events = EPOLLONESHOT.rawValue
        if reading { events |= EPOLLIN.rawValue | EPOLLRDHUP.rawValue }
        if writing { events |= EPOLLOUT.rawValue }
        return control(EPOLL_CTL_MOD, fd, token: token, events: events)
    }

    private func control(_ operation: Int32, _ fd: Int32, token: UInt64, events: UInt32) -> Int32 {
        var event = epoll_event()
        event.events = events
        event.data.u64 = token
        return epoll_ctl(epoll, operation, fd, &event) == 0 ? 0 : errno
    }

    mutating func remove(_ fd: Int32) {
        _ = epoll_ctl(epoll, EPOLL_CTL_DEL, fd, nil)
    }

    mutating func wait(timeout: Int64, into events: inout ContiguousArray<SelectorEvent>) {
        var count = apus_epoll_wait(epoll, buffer, Int32(Self.capacity), timeout, waitsInMilliseconds)
        // EINTR: a signal was handled, and the loop looks at its queues and its clock before it waits again. Or the process was stopped, for
        // as long as somebody liked (signal(7)): what has come meanwhile has come before the timers that are due by now.
        if count < 0 { count = apus_epoll_wait(epoll, buffer, Int32(Self.capacity), 0, waitsInMilliseconds) }
        guard count > 0 else { return }
        for index in 0..<Int(count) {
            let event = buffer[index]
            // The eventfd is edge-triggered: every write is a new edge, so it never has to be read.
            if event.data.u64 == Self.wakeToken { continue }
            var readiness: Readiness = []
            if event.events & EPOLLIN.rawValue != 0 { readiness.insert(.readable) }
            if event.events & EPOLLOUT.rawValue != 0 { readiness.insert(.writable) }
            if event.events & EPOLLPRI.rawValue != 0 { readiness.insert(.urgent) }
            if event.events & EPOLLRDHUP.rawValue != 0 { readiness.insert(.readEnd) }
            if event.events & (EPOLLHUP.rawValue | EPOLLERR.rawValue) != 0 { readiness.insert(.broken) }
            events.append(SelectorEvent(token: event.data.u64, readiness: readiness))
        }
    }

    borrowing func wake() {
        var one: UInt64 = 1
        _ = write(wakeDescriptor, &one, 8)
    }
}

typealias PlatformSelector = EpollSelector
#endif
