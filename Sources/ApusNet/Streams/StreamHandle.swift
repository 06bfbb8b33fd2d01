package import ApusRuntime

/// A ``StreamCore`` as public stream types hold it: usable from anywhere, directly on the stream's loop and by one hop from elsewhere.
package struct StreamHandle: Sendable {
    private let bound: LoopBound<StreamCore>
    package let loop: EventLoop

    package init(_ core: StreamCore, on loop: EventLoop) {
        bound = LoopBound(core, on: loop)
        self.loop = loop
    }

    /// Loop thread only.
    package var core: StreamCore { bound.value }

    /// Closes, from a `deinit`: on the loop's thread, whoever drops the last reference.
    package func dropped() { bound.perform { $0.drop() } }

    @inline(__always)
    package func read(into buffer: inout [UInt8], startingAt offset: Int, timeout: Duration?) async throws -> Int {
        guard loop.runsCurrentTask else { return try await readFromElsewhere(&buffer, offset, timeout) }
        return try await bound.assumedValue.read(into: &buffer, startingAt: offset, timeout: timeout)
    }

    /// A task of the loop's own cannot write to the caller's array.
    private func readFromElsewhere(_ buffer: inout [UInt8], _ offset: Int, _ timeout: Duration?) async throws -> Int {
        try NetError.checkRoom(in: buffer, from: offset)
        let bytes = try await read(upTo: buffer.count - offset, timeout: timeout)
        buffer.replaceSubrange(offset..<offset + bytes.count, with: bytes)
        return bytes.count
    }

    @inline(__always)
    package func read(upTo count: Int, timeout: Duration?) async throws -> [UInt8] {
        guard loop.runsCurrentTask else {
            return try await loop.hop { try await self.core.read(upTo: count, timeout: timeout) }
        }
        return try await core.read(upTo: count, timeout: timeout)
    }

    @inline(__always)
    package func write(_ bytes: ArraySlice<UInt8>, timeout: Duration?) async throws {
        guard loop.runsCurrentTask else {
            return try await loop.hop { try await self.core.write(bytes, timeout: timeout) }
        }
        try await bound.assumedValue.write(bytes, timeout: timeout)
    }

    package func write(vector pieces: [[UInt8]], timeout: Duration?) async throws {
        guard loop.runsCurrentTask else {
            return try await loop.hop { try await self.core.write(vector: pieces, timeout: timeout) }
        }
        try await core.write(vector: pieces, timeout: timeout)
    }

    package func sendFile(_ path: String, range: Range<Int64>?, timeout: Duration?) async throws -> Int64 {
        let body: @Sendable () async throws -> Int64 = {
            let file = try await SourceFile(path: path, range: range)
            try await self.core.sendFile(FileSender(file), timeout: timeout)
            return Int64(file.range.count)
        }
        if loop.runsCurrentTask { return try await body() }
        return try await loop.hop(body)
    }

    package func finishWriting() async { await perform { $0.finishSending() } }

    package func close() async { await perform { $0.close() } }

    package func abort() async { await perform { $0.abort() } }

    /// Runs `body` on the loop's thread; for a loop that was closed, on the thread that finishes its tasks.
    package func perform(_ body: @escaping @Sendable (StreamCore) -> Void) async {
        if loop.isCurrent { return body(core) }
        try? await loop.hop { body(self.core) }
    }
}
