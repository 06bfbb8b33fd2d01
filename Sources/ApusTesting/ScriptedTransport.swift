import ApusNet
import ApusRuntime

/// An in-memory connection whose other end plays a script: what a socket would do, as the loop sees it. Loop thread only.
final class ScriptedTransport: Transport {
    let descriptor: Descriptor
    private let loop: EventLoop
    private let record: ScriptedPeer.Record
    private var steps: ArraySlice<ScriptStep>
    /// On the way to the reader.
    private var input: [UInt8] = []
    private var hasEnded = false
    /// Written, and not yet expected by the script.
    private var output: [UInt8] = []
    private var room = Int.max
    private var failure: NetError?
    private var isOpen = true
    private var pause: ScheduledCall?
    private var isAdvancing = false

    init(_ script: [ScriptStep], _ record: ScriptedPeer.Record, on loop: EventLoop) throws {
        self.loop = loop
        self.record = record
        steps = script[...]
        descriptor = try loop.register(-1)
        record.opened()
        // At once, so that a script that takes nothing takes nothing.
        advance()
    }

    deinit {
        // A session that drops a connection without closing it has lost it.
        if isOpen {
            record.ended(.dropped)
            descriptor.release()
        }
    }

    // MARK: Transport

    func receive(into buffer: UnsafeMutableRawBufferPointer) throws(NetError) -> Int? {
        guard isOpen else { throw NetError(.closed, "The connection was closed on this side.") }
        if input.isEmpty {
            if let failure { throw failure }
            if hasEnded { return 0 }
            descriptor.readWouldBlock()
            return nil
        }
        let count = min(input.count, buffer.count)
        buffer.copyBytes(from: input[..<count])
        input.removeFirst(count)
        descriptor.didRead(count, of: buffer.count)
        return count
    }

    func send(_ bytes: UnsafeRawBufferPointer) throws(NetError) -> Int? {
        guard isOpen else { throw NetError(.closed, "The connection was closed on this side.") }
        if let failure { throw failure }
        guard room > 0 else {
            descriptor.writeWouldBlock()
            return nil
        }
        let count = min(room, bytes.count)
        output.append(contentsOf: bytes[..<count])
        record.wrote(bytes[..<count])
        if room != .max { room -= count }
        // Not before this call has returned: a network never answers inside a system call.
        let bound = LoopBound(self, on: loop)
        loop.schedule { bound.value.advance() }
        return count
    }

    func finishSending() { record.finished() }

    func close() { end(.closed) }

    func abort() { end(.aborted) }

    private func end(_ end: ScriptedPeer.End) {
        guard isOpen else { return }
        isOpen = false
        pause?.cancel()
        pause = nil
        descriptor.release()
        record.ended(end)
    }

    var remoteAddress: SocketAddress? { nil }
    var localAddress: SocketAddress? { nil }

    // MARK: The script

    private func advance() {
        guard isOpen, pause == nil, !isAdvancing else { return }
        isAdvancing = true
        var readiness: Readiness = []
        while isOpen, let step = steps.first, play(step, &readiness) {}
        isAdvancing = false
        if !readiness.isEmpty { descriptor.signal(readiness) }
    }

    /// Returns whether the next step can follow at once.
    private func play(_ step: ScriptStep, _ readiness: inout Readiness) -> Bool {
        switch step.kind {
        case .expect(let bytes):
            let common = min(bytes.count, output.count)
            guard output[..<common].elementsEqual(bytes[..<common]) else {
                let (wanted, got) = (String(decoding: bytes, as: UTF8.self), String(decoding: output, as: UTF8.self))
                return fail(.init(.system, "The script expected “\(wanted)”, and got “\(got)”."), &readiness)
            }
            guard common == bytes.count else { return false }
            output.removeFirst(common)
        case .expectCount(let count):
            guard output.count >= count else { return false }
            output.removeFirst(count)
        case .expectHead, .expectRequest:
            var isHead = false
            if case .expectHead = step.kind { isHead = true }
            guard let count = ScriptStep.messageLength(output, headOnly: isHead) else { return false }
            output.removeFirst(count)
        case .send(let bytes, let piece, let interval):
            return send(bytes, piece, interval, &readiness)
        case .wait(let duration):
            steps.removeFirst()
            rest(duration)
            return false
        case .stall, .neverConnect, .refuse:
            return false
        case .finish:
            hasEnded = true
            readiness.insert([.readable, .readEnd])
        case .reset:
            return fail(.init(.connectionReset, "The script broke the connection off."), &readiness)
        case .take(let count):
            room = count
            if count > 0 { readiness.insert(.writable) }
        case .perform(let body):
            body()
        }
        steps.removeFirst()
        return true
    }

    private func send(_ bytes: [UInt8], _ piece: Int, _ interval: Duration, _ readiness: inout Readiness) -> Bool {
        let count = piece <= 0 ? bytes.count : min(piece, bytes.count)
        input.append(contentsOf: bytes[..<count])
        if count > 0 { readiness.insert(.readable) }
        steps.removeFirst()
        if count < bytes.count {
            steps = [.send(Array(bytes[count...]), pieces: piece, every: interval)] + steps
        } else if piece <= 0 {
            return true
        }
        rest(interval)
        return false
    }

    private func fail(_ error: NetError, _ readiness: inout Readiness) -> Bool {
        if error.code != .connectionReset { record.failed("\(error)") }
        failure = error
        readiness.insert(.broken)
        steps = []
        return false
    }

    private func rest(_ duration: Duration) {
        let bound = LoopBound(self, on: loop)
        let goOn: @Sendable () -> Void = {
            bound.value.pause = nil
            bound.value.advance()
        }
        pause = duration > .zero ? loop.schedule(after: duration, goOn) : loop.schedule(goOn)
    }
}
