import ApusNet
import ApusRuntime
import ApusWire

// One try of a request whose body is sent beside the response: see ``Upload``.
extension SessionCore {
    /// One try: write the head, let the body follow, and read the answer meanwhile.
    func attempt(
        _ exchange: Exchange,
        _ plan: UploadPlan,
        on connection: ClientConnection
    ) async throws -> ClientResponse {
        guard plan.canBegin else {
            throw exchange.error(.bodyNotRestartable, "The body was sent in part already, and cannot be made again.")
        }
        exchange.waiting = .descriptor(connection.descriptor.token)
        defer { exchange.waiting = .nothing }
        let upload = try connection.begin(exchange, plan)
        do {
            if plan.expectsContinue, let head = try await askFirst(exchange, plan, on: connection) {
                return try assemble(head, exchange, on: connection)
            }
            upload.start()
            let head = try await waitForHead(exchange, upload, on: connection)
            // RFC 9112 §9.5: a client that sees an error status should stop sending its body.
            if head.statusCode >= 400 { upload.cancel() }
            return try assemble(head, exchange, on: connection)
        } catch {
            upload.cancel()
            throw error
        }
    }

    private func waitForHead(
        _ exchange: Exchange,
        _ upload: Upload,
        on connection: ClientConnection
    ) async throws -> HTTP1ResponseHead {
        // The head's time counts from the request's last byte.
        var deadline = Int64.max
        while true {
            if !connection.descriptor.mayRead {
                if let failure = upload.failure, !(failure is NetError) { throw failure }
                if deadline == .max, !upload.isRunning { deadline = exchange.headDeadline() }
                let outcome = await connection.descriptor.waitReadable(
                    deadline: upload.isRunning ? exchange.totalDeadline : deadline
                )
                if outcome != .ready { try connection.check(outcome, exchange, stage: .headTimeout) }
            }
            // A connection that broke while the body was written may hold an answer all the same, such as 413: it is worth more
            // than our error.
            try connection.receive()
            if let head = try connection.nextHead() { return head }
        }
    }

    /// Sends the head alone, and waits for the server's word to go on.
    ///
    /// - Returns: the final response's head, if that was the word: the body is not wanted.
    private func askFirst(
        _ exchange: Exchange,
        _ plan: UploadPlan,
        on connection: ClientConnection
    ) async throws -> HTTP1ResponseHead? {
        if let head = try await connection.finishSending(exchange) { return head }
        let wait = plan.options?.expectContinue ?? .zero
        let deadline = exchange.deadline(max(0, wait.clampedNanoseconds))
        while true {
            if !connection.descriptor.mayRead {
                let outcome = await connection.descriptor.waitReadable(deadline: deadline)
                // Silence is consent: RFC 9110 §10.1.1 forbids to wait for ever.
                if outcome == .timedOut, exchange.totalDeadline > loop.now { return nil }
                if outcome != .ready { try connection.check(outcome, exchange, stage: .totalTimeout) }
            }
            switch try Self.word(on: connection) {
            case .goOn: return nil
            case .head(let head): return head
            case .nothing: continue
            }
        }
    }

    /// What has arrived by now. A function of its own: inlined into the one that waits, it crashes Swift 6.3.1's optimiser.
    @inline(never)
    private static func word(on connection: ClientConnection) throws -> ClientConnection.Answer {
        try connection.receive()
        return try connection.nextAnswer()
    }
}
