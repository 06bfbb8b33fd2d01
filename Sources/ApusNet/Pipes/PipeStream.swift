public import ApusRuntime

/// A pipe, a FIFO, a terminal or another device, and the standard streams of this program: asyncio's `connect_read_pipe` and
/// `connect_write_pipe`.
///
/// ```swift
/// let input = BufferedReader(try await PipeStream.standardInput())
/// for try await line in input.lines { print(line.count) }
/// ```
///
/// A direction that the stream does not have is ``NetError`` `.invalidArgument`. Writing where nobody reads any more is `.brokenPipe`, and
/// not the end of the program: SIGPIPE is ignored in programs with a loop, unless they handle it themselves.
///
/// It belongs to a loop, and may be used from anywhere, as a ``TCPStream``.
public final class PipeStream: ByteStream {
    /// What a stream is opened for.
    public enum Direction: Sendable, Hashable {
        /// To be read.
        case reading
        /// To be written to.
        case writing
        /// Both, by one descriptor: a terminal or another device. FIFOs have one direction.
        case both
    }

    private let handle: StreamHandle

    /// The loop that the stream belongs to.
    public var eventLoop: EventLoop { handle.loop }

    /// Loop thread only.
    init(_ transport: any Transport, on loop: EventLoop) {
        handle = StreamHandle(StreamCore(transport, on: loop), on: loop)
    }

    deinit { handle.dropped() }

    // MARK: Making

    /// Two streams that are connected to each other by two pipes (pipe(2)), one for each direction.
    ///
    /// - Throws: ``NetError`` `.tooManyDescriptors`; ``LoopError``.
    ///
    /// Cancel safety: the streams are made in any case.
    public static func pair() async throws -> (PipeStream, PipeStream) {
        try await TCPStream.onLoop { loop in
            let there = try PipeCalls.pipe()
            let back: (reading: Int32, writing: Int32)
            do throws(NetError) {
                back = try PipeCalls.pipe()
            } catch {
                PipeCalls.close(there.reading)
                PipeCalls.close(there.writing)
                throw error
            }
            let left: PipeStream
            do {
                left = try make(reading: back.reading, writing: there.writing, on: loop)
            } catch {
                PipeCalls.close(there.reading)
                PipeCalls.close(back.writing)
                throw error
            }
            return (left, try make(reading: there.reading, writing: back.writing, on: loop))
        }
    }

    /// Opens a FIFO (fifo(7)) or a device, such as a terminal.
    ///
    /// To open a FIFO for writing takes somebody who reads it: until then it is tried every few milliseconds, since nothing tells when they
    /// come. One that is opened for reading is there at once, and its first read waits for somebody to write.
    ///
    /// - Parameters:
    ///   - path: of a FIFO or a character device.
    ///   - direction: what for.
    ///   - timeout: how long to wait for a reader; nil for ever.
    /// - Throws: ``NetError`` (`.invalidArgument` for a file or a directory, or a FIFO that is to have both directions; `.permissionDenied`;
    ///   `.system` with ENOENT; `.timedOut`), `CancellationError`, ``LoopError`` `.loopClosed`.
    ///
    /// Cancel safety: leaves no descriptor behind.
    public static func open(path: String, for direction: Direction, timeout: Duration? = nil) async throws -> PipeStream
    {
        try await TCPStream.onLoop { loop in
            try loop.checkOpen()
            let fd = try await openEnd(path, direction, loop.deadline(after: timeout), on: loop)
            switch direction {
            case .reading: return try make(reading: fd, writing: nil, on: loop)
            case .writing: return try make(reading: nil, writing: fd, on: loop)
            case .both: return try make(reading: fd, writing: fd, on: loop)
            }
        }
    }

    /// Opens two FIFOs as one stream: see ``open(path:for:timeout:)``.
    ///
    /// - Parameters:
    ///   - reading: the path of the one to read; it is opened first.
    ///   - writing: the path of the one to write to.
    ///   - timeout: how long to wait for somebody who reads the latter; nil for ever.
    /// - Throws: as ``open(path:for:timeout:)``.
    ///
    /// Cancel safety: leaves no descriptor behind.
    public static func open(reading: String, writing: String, timeout: Duration? = nil) async throws -> PipeStream {
        try await TCPStream.onLoop { loop in
            try loop.checkOpen()
            let deadline = loop.deadline(after: timeout)
            let reader = try await openEnd(reading, .reading, deadline, on: loop)
            let writer: Int32
            do {
                writer = try await openEnd(writing, .writing, deadline, on: loop)
            } catch {
                PipeCalls.close(reader)
                throw error
            }
            return try make(reading: reader, writing: writer, on: loop)
        }
    }

    /// Takes over descriptors that were made elsewhere: the ends of a child process's pipes, for example.
    ///
    /// - Parameters:
    ///   - reading: a pipe, a device or a socket to read; nil for none.
    ///   - writing: one to write to, which may be the same; nil for none. They are the stream's from now on, and closed on an error too; their
    ///     flags become non-blocking, for everybody who shares them, and close-on-exec.
    /// - Throws: ``NetError`` `.invalidArgument` if one is a file or not open for that direction, or both are nil; ``LoopError``.
    ///
    /// Cancel safety: the stream is made in any case.
    public static func adopt(reading: Int32?, writing: Int32?) async throws -> PipeStream {
        try await TCPStream.onLoop { loop in
            do throws(NetError) {
                guard reading != nil || writing != nil else {
                    throw NetError(.invalidArgument, "A stream needs a descriptor.")
                }
                if let reading { try PipeCalls.adopt(reading, toRead: true) }
                if let writing { try PipeCalls.adopt(writing, toRead: false) }
            } catch {
                if let reading { PipeCalls.close(reading) }
                if let writing, writing != reading { PipeCalls.close(writing) }
                throw error
            }
            return try make(reading: reading, writing: writing, on: loop)
        }
    }

    // MARK: The standard streams

    /// What this program is given to read: a terminal, a pipe, a file, a socket, `/dev/null`.
    ///
    /// Descriptor 0 stays as it is, its flags and all: it is shared with the shell and others, for whom a non-blocking terminal or pipe
    /// would be broken. Closing the stream does not close it. From a file a read takes what it returns and no more, so that another
    /// program can go on in the middle. It ends as usual: with the file, the last writer of the pipe, or Ctrl-D.
    ///
    /// Make one stream and keep it: two of them take each other's bytes, as do `readLine()` and a stream.
    ///
    /// - Throws: ``NetError`` `.closed` if the program was started without standard input, `.invalidArgument` if it cannot be read;
    ///   ``LoopError``.
    ///
    /// Cancel safety: the stream is made in any case.
    public static func standardInput() async throws -> PipeStream { try await make(.input) }

    /// Where this program writes its results: a terminal, a pipe, a file, a socket, `/dev/null`.
    ///
    /// Descriptor 1 stays as it is: see ``standardInput()``. Whoever reads slowly slows the writer down, and nobody else on the loop.
    ///
    /// `print` keeps what it is given in a buffer of its own, in a pipe or file until 4 KiB have come or the program ends. For the order to be
    /// kept, call `fflush(stdout)` between a `print` and a write. A write that has returned is with the system: nothing is lost when
    /// the program ends.
    ///
    /// - Throws: ``NetError`` `.closed` if the program was started without standard output, `.invalidArgument` if it cannot be
    ///   written to; ``LoopError``.
    ///
    /// Cancel safety: the stream is made in any case.
    public static func standardOutput() async throws -> PipeStream { try await make(.output) }

    /// Where this program writes its complaints: as ``standardOutput()``, for descriptor 2.
    ///
    /// Cancel safety: the stream is made in any case.
    public static func standardError() async throws -> PipeStream { try await make(.error) }

    private static func make(_ standard: StandardStream) async throws -> PipeStream {
        try await TCPStream.onLoop { loop in PipeStream(try standard.open(on: loop), on: loop) }
    }

    /// Takes the descriptors over: on an error they are closed.
    private static func make(reading: Int32?, writing: Int32?, on loop: EventLoop) throws -> PipeStream {
        let reader: PipeEnd?
        do {
            reader = try reading.map { try PipeEnd(adopting: $0, on: loop) }
        } catch {
            if let writing, writing != reading { PipeCalls.close(writing) }
            throw error
        }
        let writer: PipeEnd?
        do {
            writer = try writing.map { $0 == reading ? reader : try PipeEnd(adopting: $0, on: loop) } ?? nil
        } catch {
            reader?.close()
            throw error
        }
        return PipeStream(try PipeTransport(reader: reader, writer: writer, on: loop), on: loop)
    }

    private static let firstPause = Duration.milliseconds(1)
    private static let longestPause = Duration.milliseconds(50)

    private static func openEnd(
        _ path: String,
        _ direction: Direction,
        _ deadline: Int64,
        on loop: EventLoop
    ) async throws -> Int32 {
        var pause = firstPause
        while true {
            try Task.checkCancellation()
            if let fd = try PipeCalls.open(path, direction) { return fd }
            guard loop.deadline(after: .zero) < deadline else {
                throw NetError(
                    .timedOut,
                    "Nobody has opened the FIFO “\(path)” for reading in the time that was allowed."
                )
            }
            try await sleep(for: pause)
            pause = min(pause * 2, longestPause)
        }
    }

    // MARK: ByteStream

    public func read(into buffer: inout [UInt8], startingAt offset: Int, timeout: Duration?) async throws -> Int {
        try await handle.read(into: &buffer, startingAt: offset, timeout: timeout)
    }

    public func read(upTo count: Int, timeout: Duration?) async throws -> [UInt8] {
        try await handle.read(upTo: count, timeout: timeout)
    }

    public func write(_ bytes: ArraySlice<UInt8>, timeout: Duration?) async throws {
        try await handle.write(bytes, timeout: timeout)
    }

    public func write(vector pieces: [[UInt8]], timeout: Duration?) async throws {
        try await handle.write(vector: pieces, timeout: timeout)
    }

    public func sendFile(_ path: String, range: Range<Int64>?, timeout: Duration?) async throws -> Int64 {
        try await handle.sendFile(path, range: range, timeout: timeout)
    }

    /// Closes the end that is written to. A device or socket that has one descriptor for both directions cannot: its peer is not told.
    ///
    /// Cancel safety: takes effect in any case.
    public func finishWriting() async { await handle.finishWriting() }

    public func close() async { await handle.close() }

    public func abort() async { await handle.abort() }
}
