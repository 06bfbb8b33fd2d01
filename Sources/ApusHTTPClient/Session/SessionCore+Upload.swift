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
        exchange.tell { $0.requestHeadSent($1) }
        do {
            if plan.expectsContinue {
                try await askFirst(exchange, plan, upload, on: connection)
                // A final response: the body is not wanted.
                if let head = upload.answer.head { return try assemble(head, exchange, on: connection) }
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

    /// Sends the head alone, and waits for the server's word to go on. What it says is `upload.answer`.
    // It returns nothing and has one end: the compiler (6.3.1) crashes in release builds when it splits a function at its awaits that
    // returns an optional head from several places.
    private func askFirst(
        _ exchange: Exchange,
        _ plan: UploadPlan,
        _ upload: Upload,
        on connection: ClientConnection
    ) async throws {
        upload.answer.head = try await connection.finishSending(exchange)
        let wait = plan.options?.expectContinue ?? .zero
        let deadline = exchange.deadline(max(0, wait.clampedNanoseconds))
        while upload.answer.isSilence {
            if !connection.descriptor.mayRead {
                let outcome = await connection.descriptor.waitReadable(deadline: deadline)
                // Silence is consent: RFC 9110 §10.1.1 forbids to wait for ever.
                if outcome == .timedOut, exchange.totalDeadline > loop.now { break }
                try connection.check(outcome, exchange, stage: .totalTimeout)
            }
            try connection.receive()
            upload.answer = try connection.nextAnswer()
        }
    }
}
