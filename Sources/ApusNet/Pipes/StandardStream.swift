import ApusRuntime

/// Makes streams of the standard descriptors, which belong to others as well: a terminal to the shell that waits behind this program, a pipe to its
/// neighbours. Non-blocking is a flag of what they share (open(2), "open file description"), so it is never set there.
///
/// | what it is | how it is read or written |
/// |---|---|
/// | pipe, terminal, `/dev/null` | opened once more, through `/proc/self/fd`: a description of our own, non-blocking |
/// | socket | each call says that it does not wait (MSG_DONTWAIT) |
/// | file | on a thread of the pool, at the shared position |
/// | anything else, or where opening is refused | on a thread of the pool, which waits with poll(2) |
enum StandardStream: Int32 {
    case input = 0
    case output = 1
    case error = 2

    private var name: String {
        switch self {
        case .input: "Standard input"
        case .output: "Standard output"
        case .error: "Standard error"
        }
    }

    private var isRead: Bool { self == .input }

    /// Loop thread only.
    func open(on loop: EventLoop) throws -> any Transport {
        try loop.checkOpen()
        let fd = rawValue
        let kind = PipeCalls.kind(fd)
        guard kind != .closed, kind != .other, PipeCalls.isStandard(fd) else {
            throw NetError(.closed, "\(name) was closed when the program began.")
        }
        guard kind != .directory, PipeCalls.allows(fd, toRead: isRead) else {
            throw NetError(.invalidArgument, "\(name) cannot be \(isRead ? "read" : "written to").")
        }
        switch kind {
        case .pipe, .terminal, .memoryDevice:
            guard let own = PipeCalls.reopen(fd, toRead: isRead) else { break }
            let end = try PipeEnd(adopting: own, on: loop)
            // A FIFO that is opened after its last writer has left waits for the next one; what we were given has ended.
            if isRead, case .pipe = kind, PipeCalls.hasEnded(fd) { end.descriptor.signal(.readEnd) }
            return try transport(end, on: loop)
        case .socket:
            let end = try PipeEnd(adopting: try PipeCalls.duplicate(fd), isSharedSocket: true, on: loop)
            return try transport(end, on: loop)
        case .file:
            return try ThreadTransport(
                adopting: try PipeCalls.duplicate(fd),
                toRead: isRead,
                mayBlock: false,
                on: loop
            )
        case .closed, .otherDevice, .directory, .other: break
        }
        return try ThreadTransport(adopting: try PipeCalls.duplicate(fd), toRead: isRead, mayBlock: true, on: loop)
    }

    private func transport(_ end: PipeEnd, on loop: EventLoop) throws -> any Transport {
        try PipeTransport(reader: isRead ? end : nil, writer: isRead ? nil : end, on: loop)
    }
}
