import ApusNet
import ApusRuntime
import ApusWire
import HTTPTypes

/// A request's body on its way, in a task of its own: the server may answer before it has all of it, and even answer with what it gets,
/// so reading must not wait for writing. Loop thread only.
final class Upload {
    private enum State {
        case waiting
        case running
        case finished
        case failed(any Error)
    }

    /// Pieces up to this are copied behind their frame: cheaper than a system call of its own for the frame.
    private static let copiedPiece = 16 * 1024

    let plan: UploadPlan
    let exchange: Exchange
    // Strong: the connection lets go of the upload when it has ended.
    let connection: ClientConnection
    private var state = State.waiting
    private var task: LoopTask<Void>?
    private var isWriting = false
    /// What the first write that failed said. Whatever the body does about it, its message cannot be completed any more.
    private var writeFailure: (any Error)?
    /// Bytes of the body that are sent, before compression.
    private(set) var sent: Int64 = 0
    /// Compresses it; nil if it is sent as it is.
    private var encoding: ContentEncoding?
    var trailers: HTTPFields?
    /// What the server said when it was asked first.
    var answer = ClientConnection.Answer()

    init(_ plan: UploadPlan, _ exchange: Exchange, on connection: ClientConnection) {
        self.plan = plan
        self.exchange = exchange
        self.connection = connection
    }

    var isRunning: Bool {
        if case .running = state { return true }
        return false
    }

    /// When the whole request has to be over, in nanoseconds of the loop's clock.
    var totalDeadline: Int64 { exchange.totalDeadline }

    /// Why the body could not be sent, if it could not. A ``NetError`` is the connection's own: the server may have explained it.
    var failure: (any Error)? {
        if case .failed(let error) = state { return error }
        return nil
    }

    func start() {
        state = .running
        plan.begin(self)
        let upload = LoopBound(self, on: connection.pool.loop)
        task = connection.pool.loop.spawn(name: "request body") { await upload.value.run() }
    }

    /// Ends it, whatever it waits for. A closure that ignores its cancellation goes on, but can write no more.
    func cancel() {
        guard isRunning else { return }
        fail(CancellationError())
        task?.cancel()
        endWrite()
    }

    /// Gives the connection up, if the body is still on its way: the request goes on elsewhere.
    func abandon() {
        guard isRunning else { return }
        connection.pool.finished(connection, isReusable: false)
    }

    /// Ends the wait for room. Not the reader's beside it: that is another task's.
    private func endWrite() {
        connection.pool.loop.endWaits(connection.descriptor.token, with: .cancelled, reading: false)
    }

    private func run() async {
        do {
            try await send()
            guard isRunning else { return }
            state = .finished
        } catch {
            guard isRunning else { return }
            fail(error)
        }
        connection.uploadEnded(self)
    }

    private func fail(_ error: any Error) { state = .failed(error) }

    // MARK: Sending

    private func send() async throws {
        encoding = plan.makeEncoding()
        switch plan.content {
        case .bytes(let bytes):
            if let coded = plan.coded {
                try await write(coded[...])
                advance(by: bytes.count)
            } else {
                try await writePiece(bytes[...])
            }
        case .file: if let file = plan.file { try await send(file) }
        case .multipart: if let multipart = plan.multipart { try await send(multipart) }
        case .written(let body):
            // Now: it may be long until there is a first piece, and the server may have its answer ready.
            try await flush()
            try await send(body)
        }
        try check()
        if let encoding { try await finish(encoding) }
        try connection.http.pointee.sendEnd(trailers: trailers)
        try await flush()
        report(isComplete: true)
    }

    private func send(_ body: RequestBody.WrittenBody) async throws {
        do {
            try await body.write(RequestBodyWriter(upload: LoopBound(self, on: connection.pool.loop)))
        } catch {
            throw isRunning ? described(error) : error
        }
        // A body that passes over the error of a write has a hole.
        if isRunning, let writeFailure { throw described(writeFailure) }
    }

    private func send(_ multipart: MultipartUpload) async throws {
        for segment in multipart.plan.segments() {
            switch segment {
            case .bytes(let bytes): try await writePiece(bytes[...])
            case .source(let number):
                switch multipart.sources[number] {
                case .file(let file): try await send(file)
                case .written(let body):
                    let before = sent
                    try await send(body)
                    // The sum over all parts would not tell which was wrong, or that two were.
                    guard let length = body.length, sent - before != Int64(length) else { continue }
                    throw exchange.error(
                        .invalidRequest,
                        "A part of the request's body stated \(length) bytes and wrote \(sent - before)."
                    )
                }
            }
        }
    }

    /// What ends the body: the first write that failed, or else what the user's closure throws, which may come from another
    /// connection and then must not be taken for an error of this one.
    private func described(_ error: any Error) -> any Error {
        if let writeFailure, !(writeFailure is CancellationError) { return writeFailure }
        return exchange.error(.bodyFailed, "The request's body ended with an error: \(error)", cause: error)
    }

    /// Sends a piece of the body, and waits until the system has taken it.
    func writePiece(_ bytes: ArraySlice<UInt8>) async throws {
        try check()
        if let writeFailure { throw writeFailure }
        do {
            guard !isWriting else {
                throw exchange.error(
                    .invalidRequest,
                    "Another task is writing this request's body: one writes at a time."
                )
            }
            isWriting = true
            defer { isWriting = false }
            guard !bytes.isEmpty else { return }
            if let encoding { try await encode(bytes, encoding) } else { try await write(bytes) }
        } catch {
            if writeFailure == nil { writeFailure = error }
            throw error
        }
    }

    func write(_ bytes: ArraySlice<UInt8>) async throws {
        if bytes.count <= Self.copiedPiece {
            try bytes.withUnsafeBytes { try connection.http.pointee.sendData($0) }
            try await flush()
            noteWritten(bytes.count)
        } else {
            try connection.http.pointee.beginData(count: bytes.count)
            try await flush()
            var rest = bytes
            while !rest.isEmpty {
                guard let count = try rest.withUnsafeBytes({ try connection.transport.send($0) }) else {
                    try await waitWritable()
                    continue
                }
                rest = rest.dropFirst(count)
                noteWritten(count)
                await connection.pool.loop.yieldIfSliceIsOver()
                try check()
            }
            try connection.http.pointee.endData()
            try await flush()
        }
    }

    private func send(_ file: SourceFile) async throws {
        guard file.range.count > 0 else { return }
        if let encoding { return try await encode(file, encoding) }
        try connection.http.pointee.beginData(count: file.range.count)
        try await flush()
        do {
            try await send(FileSender(file))
        } catch let error as NetError where error.code == .file {
            throw exchange.error(.bodyFailed, "The request's body cannot be read: \(error)", cause: error)
        }
        try connection.http.pointee.endData()
    }

    private func send(_ sender: FileSender) async throws {
        while !sender.isDone {
            try await sender.prepare()
            try check()
            let before = sender.position
            if try sender.send(to: connection.transport) {
                advance(by: Int(sender.position - before))
                await connection.pool.loop.yieldIfSliceIsOver()
            } else {
                try await waitWritable()
            }
        }
    }

    private func flush() async throws {
        while try !connection.flush() { try await waitWritable() }
    }

    private func waitWritable() async throws {
        let deadline = exchange.deadline(exchange.limits.idle)
        let descriptor = connection.descriptor
        let upload = LoopBound(self, on: connection.pool.loop)
        // A body may bound or race its own writes, in tasks of its own.
        let outcome = await withTaskCancellationHandler {
            await descriptor.waitWritable(deadline: deadline)
        } onCancel: {
            upload.perform { $0.endWrite() }
        }
        try check()
        try connection.check(outcome, exchange, stage: .writeTimeout)
    }

    /// Whether the body is still wanted.
    func check() throws {
        switch state {
        case .running: return
        case .failed(let error): throw error
        case .waiting, .finished:
            throw exchange.error(.invalidRequest, "The request's body has ended: nothing can be written behind it.")
        }
    }

    /// Bytes of the body were written, if they are the body's own and not what it was compressed to.
    private func noteWritten(_ count: Int) {
        if plan.coding == nil { advance(by: count) }
    }

    func advance(by count: Int) {
        sent += Int64(count)
        exchange.tell { $0.requestBodySent($1, byteCount: count) }
        report(isComplete: false)
    }

    private func report(isComplete: Bool) {
        guard let report = plan.options?.onUploadProgress else { return }
        report(UploadProgress(sent: sent, total: plan.length.map(Int64.init), isComplete: isComplete))
    }
}
