import ApusRuntime

/// A descriptor that blocks, as a stream: a regular file, or what cannot be made non-blocking without others noticing. Its calls are made on a
/// thread of the pool for blocking calls, one in each direction at a time. Loop thread only.
///
/// A read takes what its caller has room for and no more, so that another process can go on in the middle of a file. What a cancelled read
/// had asked for is kept, and goes to the next one.
final class ThreadTransport: Transport {
    /// Bytes of one call. A disk wants large ones.
    private static let pieceSize = 65_536
    /// PIPE_BUF (pipe(7)): a pipe that says it has room takes as many without blocking.
    private static let atomicSize = 4_096

    /// One direction's call.
    private enum Call {
        case none
        case running
        /// What was read, an empty array at the end; or what was written.
        case done(Result<[UInt8], NetError>)
    }

    let descriptor: Descriptor
    let writeDescriptor: Descriptor
    private let loop: EventLoop
    private let file: SharedFile
    /// Whether a call may wait for as long as it likes: then the thread waits for readiness or the bell, which closing rings.
    private let mayBlock: Bool
    private let isForReading: Bool
    private var reading = Call.none
    private var writing = Call.none
    private var isOpen = true
    private var hasFinished = false

    /// - Parameter fd: taken over, on an error too. Its flags stay as they are.
    init(adopting fd: Int32, toRead: Bool, mayBlock: Bool, on loop: EventLoop) throws {
        file = try SharedFile(adopting: fd)
        self.loop = loop
        self.mayBlock = mayBlock
        isForReading = toRead
        let slot = try loop.register(-1)
        slot.signal([.readable, .writable])
        descriptor = slot
        writeDescriptor = slot
    }

    // MARK: Reading

    func receive(into buffer: UnsafeMutableRawBufferPointer) throws(NetError) -> Int? {
        guard isOpen else { throw closed }
        guard isForReading else { throw NetError(.invalidArgument, "This stream is for writing only.") }
        switch reading {
        case .running: break
        case .none: startReading(min(buffer.count, Self.pieceSize))
        case .done(.failure(let error)):
            reading = .none
            throw error
        case .done(.success(let bytes)):
            let count = min(bytes.count, buffer.count)
            UnsafeMutableRawBufferPointer(rebasing: buffer[..<count]).copyBytes(from: bytes[..<count])
            reading = count < bytes.count ? .done(.success([UInt8](bytes[count...]))) : .none
            return count
        }
        descriptor.readWouldBlock()
        return nil
    }

    private func startReading(_ count: Int) {
        reading = .running
        let (file, mayBlock) = (file, mayBlock)
        run {
            guard !mayBlock || file.wait(toRead: true) else { return .success([]) }
            return file.read(count)
        } then: { transport, outcome in
            transport.reading = .done(outcome)
            transport.descriptor.signal(.readable)
        }
    }

    // MARK: Writing

    func send(_ bytes: UnsafeRawBufferPointer) throws(NetError) -> Int? {
        guard isOpen else { throw closed }
        guard !isForReading else { throw NetError(.invalidArgument, "This stream is for reading only.") }
        guard !hasFinished else { throw NetError(.brokenPipe, "Writing after the end of writing was announced.") }
        if case .done(let outcome) = writing {
            writing = .none
            let written = try outcome.get()
            // A write that was cancelled leaves its outcome behind, which is that of other bytes.
            if bytes.starts(with: written) { return written.count }
        }
        if case .none = writing {
            startWriting([UInt8](bytes.prefix(mayBlock ? Self.atomicSize : Self.pieceSize)))
        }
        writeDescriptor.writeWouldBlock()
        return nil
    }

    private func startWriting(_ bytes: [UInt8]) {
        writing = .running
        let (file, mayBlock) = (file, mayBlock)
        run {
            guard !mayBlock || file.wait(toRead: false) else { return .success([]) }
            return file.write(bytes)
        } then: { transport, outcome in
            transport.writing = .done(outcome)
            transport.writeDescriptor.signal(.writable)
        }
    }

    // MARK: The thread

    private func run(
        _ call: @escaping @Sendable () -> Result<[UInt8], NetError>,
        then finish: @escaping @Sendable (ThreadTransport, Result<[UInt8], NetError>) -> Void
    ) {
        let (loop, bound) = (loop, LoopBound(self, on: loop))
        let end: @Sendable (Result<[UInt8], NetError>) -> Void = { outcome in
            loop.perform {
                loop.endExternalWork()
                finish(bound.value, outcome)
            }
        }
        let refuse: @Sendable (any Error) -> Void = { error in
            end(.failure(NetError(.system, "The stream got no thread of the pool: \(error)")))
        }
        loop.beginExternalWork()
        do {
            // The process's: a loop's own would be awaited at the loop's end, and a read may take for ever.
            try OffloadPool.processBlocking.submit({ end(call()) }, orElse: refuse)
        } catch {
            refuse(error)
        }
    }

    // MARK: Ending

    func finishSending() {
        if isOpen, !isForReading { hasFinished = true }
    }

    func close() {
        guard isOpen else { return }
        isOpen = false
        descriptor.release()
        file.stop()
    }

    func abort() { close() }

    var remoteAddress: SocketAddress? { nil }
    var localAddress: SocketAddress? { nil }
    private var closed: NetError { NetError(.closed, "The stream was closed on this side.") }
}

/// A descriptor in the hands of threads: closed when the last of them has let go, so that its number is nobody else's meanwhile.
private final class SharedFile: Sendable {
    private let fd: Int32
    private let bell: Int32

    init(adopting fd: Int32) throws(NetError) {
        self.fd = fd
        do throws(NetError) {
            bell = try PipeCalls.makeBell()
        } catch {
            PipeCalls.close(fd)
            throw error
        }
    }

    deinit {
        PipeCalls.close(fd)
        PipeCalls.close(bell)
    }

    /// Ends waits, now and later.
    func stop() { PipeCalls.ring(bell) }

    func wait(toRead: Bool) -> Bool { PipeCalls.wait(for: fd, toRead: toRead, orBell: bell) }

    func read(_ count: Int) -> Result<[UInt8], NetError> {
        var failure: Int32 = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            let result = PipeCalls.read(fd, into: UnsafeMutableRawBufferPointer(buffer))
            if result < 0 { failure = Int32(-result) }
            initialized = max(0, result)
        }
        if failure != 0 { return .failure(NetError(errno: failure, while: "Reading from descriptor \(fd)")) }
        return .success(bytes)
    }

    /// The bytes that were written.
    func write(_ bytes: [UInt8]) -> Result<[UInt8], NetError> {
        let result = bytes.withUnsafeBytes { PipeCalls.write(fd, $0) }
        if result < 0 { return .failure(NetError(errno: Int32(-result), while: "Writing to descriptor \(fd)")) }
        return .success([UInt8](bytes[..<result]))
    }
}
