import CApus
import Glibc

/// The system calls of pipes, devices and the standard descriptors.
enum PipeCalls {
    /// What a descriptor is.
    enum Kind: Equatable {
        case closed
        /// An anonymous pipe or a FIFO. `keepsBytesTogether`: each read gets one write (O_DIRECT), and a short one says nothing.
        case pipe(keepsBytesTogether: Bool)
        case terminal
        /// `/dev/null` and its kin (major number 1): opened anew they are the same.
        case memoryDevice
        /// A device whose every opening may be another: the master of a pseudo-terminal, for example.
        case otherDevice
        case socket
        /// A regular file or a disk: always ready, and slow all the same.
        case file
        case directory
        /// An epoll set, a timer…
        case other
    }

    static func kind(_ fd: Int32) -> Kind {
        var facts = stat()
        guard fstat(fd, &facts) == 0 else { return .closed }
        switch facts.st_mode & S_IFMT {
        case S_IFIFO: return .pipe(keepsBytesTogether: apus_is_packet_pipe(fd))
        case S_IFSOCK: return .socket
        case S_IFREG, S_IFBLK: return .file
        case S_IFDIR: return .directory
        case S_IFCHR:
            let device = UInt64(facts.st_rdev)
            if apus_device_major(device) == 1 { return .memoryDevice }
            // 5, 2: /dev/ptmx, which makes a new pseudo-terminal each time that it is opened.
            let isMaster = apus_device_major(device) == 5 && apus_device_minor(device) == 2
            return isatty(fd) == 1 && !isMaster ? .terminal : .otherDevice
        default: return .other
        }
    }

    // MARK: Making

    /// A pipe's two ends.
    static func pipe() throws(NetError) -> (reading: Int32, writing: Int32) {
        var fds: (Int32, Int32) = (-1, -1)
        let code = withUnsafeMutableBytes(of: &fds) {
            $0.withMemoryRebound(to: Int32.self) { ends in ends.baseAddress.map { apus_pipe($0) } ?? EINVAL }
        }
        guard code == 0 else { throw NetError(errno: code, while: "Making a pipe") }
        return fds
    }

    /// Opens a FIFO or a device. Nil: a FIFO that nobody reads.
    static func open(_ path: String, _ direction: PipeStream.Direction) throws(NetError) -> Int32? {
        guard !path.isEmpty, !path.utf8.contains(0) else {
            throw NetError(.invalidArgument, "“\(path)” cannot name a FIFO: it is empty or contains a NUL.")
        }
        // On the loop's thread: O_NONBLOCK does not wait for a peer or a modem, and FIFOs and devices are not on slow disks.
        let mode = direction == .reading ? O_RDONLY : direction == .writing ? O_WRONLY : O_RDWR
        let fd = Glibc.open(path, mode | O_NONBLOCK | O_CLOEXEC | O_NOCTTY)
        guard fd >= 0 else {
            if errno == ENXIO, direction == .writing { return nil }
            throw NetError(errno: errno, while: "Opening “\(path)”")
        }
        switch kind(fd) {
        case .pipe where direction != .both: return fd
        case .terminal, .memoryDevice, .otherDevice: return fd
        case let kind:
            close(fd)
            if case .pipe = kind {
                throw NetError(.invalidArgument, "“\(path)” is a FIFO: open it for reading or for writing, not both.")
            }
            throw NetError(
                .invalidArgument,
                "“\(path)” is neither a FIFO nor a device: read a file with `offload`, send it with sendFile."
            )
        }
    }

    /// Makes a descriptor that came from elsewhere one of ours.
    static func adopt(_ fd: Int32, toRead: Bool) throws(NetError) {
        switch kind(fd) {
        case .pipe, .terminal, .memoryDevice, .otherDevice, .socket: break
        case .closed: throw NetError(.invalidArgument, "Descriptor \(fd) is not open.")
        case .file, .directory, .other:
            throw NetError(.invalidArgument, "Descriptor \(fd) is no pipe, device or socket: it cannot be a stream.")
        }
        guard allows(fd, toRead: toRead) else {
            throw NetError(.invalidArgument, "Descriptor \(fd) is not open for \(toRead ? "reading" : "writing").")
        }
        guard fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) == 0,
            fcntl(fd, F_SETFD, fcntl(fd, F_GETFD) | FD_CLOEXEC) == 0
        else { throw NetError(errno: errno, while: "Setting the flags of descriptor \(fd)") }
    }

    static func allows(_ fd: Int32, toRead: Bool) -> Bool {
        fcntl(fd, F_GETFL) & O_ACCMODE != (toRead ? O_WRONLY : O_RDONLY)
    }

    static func close(_ fd: Int32) { Glibc.close(fd) }

    // MARK: Reading and writing

    /// Bytes, 0 at the end, or -errno.
    ///
    /// - Parameter isSharedSocket: a socket whose flags are not ours: each call says that it does not wait.
    static func read(_ fd: Int32, into buffer: UnsafeMutableRawBufferPointer, isSharedSocket: Bool = false) -> Int {
        while true {
            let count =
                isSharedSocket
                ? recv(fd, buffer.baseAddress, buffer.count, Int32(MSG_DONTWAIT))
                : Glibc.read(fd, buffer.baseAddress, buffer.count)
            if count >= 0 { return count }
            if errno != EINTR { return -Int(errno) }
        }
    }

    /// Bytes, or -errno. SIGPIPE, which write(2) raises where nobody reads, is ignored in processes with a loop.
    static func write(_ fd: Int32, _ bytes: UnsafeRawBufferPointer, isSharedSocket: Bool = false) -> Int {
        while true {
            let count =
                isSharedSocket
                ? send(fd, bytes.baseAddress, bytes.count, Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL))
                : Glibc.write(fd, bytes.baseAddress, bytes.count)
            if count >= 0 { return count }
            if errno != EINTR { return -Int(errno) }
        }
    }

    /// Bytes of all pieces together, or -errno.
    static func write(_ fd: Int32, vector pieces: [UnsafeRawBufferPointer]) -> Int {
        withUnsafeTemporaryAllocation(of: iovec.self, capacity: max(1, pieces.count)) { vector in
            for (index, piece) in pieces.enumerated() {
                let base = UnsafeMutableRawPointer(mutating: piece.baseAddress)
                vector.initializeElement(at: index, to: iovec(iov_base: base, iov_len: piece.count))
            }
            while true {
                let count = writev(fd, vector.baseAddress, Int32(pieces.count))
                if count >= 0 { return count }
                if errno != EINTR { return -Int(errno) }
            }
        }
    }

    // MARK: The standard descriptors

    /// A descriptor of our own for what `fd` refers to, with the same flags and position.
    static func duplicate(_ fd: Int32) throws(NetError) -> Int32 {
        let copy = fcntl(fd, F_DUPFD_CLOEXEC, 3)
        guard copy >= 0 else { throw NetError(errno: errno, while: "Duplicating descriptor \(fd)") }
        return copy
    }

    /// Opens what `fd` refers to once more, non-blocking: the flags of a description of our own, not of the one that `fd` shares with other
    /// processes. Nil where the system refuses: another user's terminal, for example.
    static func reopen(_ fd: Int32, toRead: Bool) -> Int32? {
        let mode = toRead ? O_RDONLY : O_WRONLY
        let copy = Glibc.open("/proc/self/fd/\(fd)", mode | O_NONBLOCK | O_CLOEXEC | O_NOCTTY)
        return copy >= 0 ? copy : nil
    }

    /// Whether the number belongs to what the program was started with, or was put there on purpose, and not to something of ours that got it
    /// because it was free.
    static func isStandard(_ fd: Int32) -> Bool {
        apus_was_open_at_start(fd) || fcntl(fd, F_GETFD) & FD_CLOEXEC == 0
    }

    /// Whether all writers of a pipe are gone.
    static func hasEnded(_ fd: Int32) -> Bool {
        var request = pollfd(fd: fd, events: Int16(POLLIN), revents: 0)
        return poll(&request, 1, 0) == 1 && request.revents & Int16(POLLHUP) != 0
    }

    // MARK: On a thread

    /// A bell that ends ``wait(for:toRead:orBell:)``.
    static func makeBell() throws(NetError) -> Int32 {
        let bell = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
        guard bell >= 0 else { throw NetError(errno: errno, while: "Making an eventfd") }
        return bell
    }

    static func ring(_ bell: Int32) {
        var one: UInt64 = 1
        _ = Glibc.write(bell, &one, 8)
    }

    /// Blocks until `fd` is ready (true) or the bell is rung (false).
    static func wait(for fd: Int32, toRead: Bool, orBell bell: Int32) -> Bool {
        var requests = [
            pollfd(fd: fd, events: Int16(toRead ? POLLIN : POLLOUT), revents: 0),
            pollfd(fd: bell, events: Int16(POLLIN), revents: 0),
        ]
        while true {
            let count = poll(&requests, 2, -1)
            if count > 0 { return requests[1].revents == 0 }
            // An error of poll(2) is told by the read or write that follows.
            if count < 0, errno != EINTR { return true }
        }
    }
}
