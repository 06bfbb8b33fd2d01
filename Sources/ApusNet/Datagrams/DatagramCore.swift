import ApusRuntime
import Glibc

/// A UDP socket, who uses it, and the rules of waiting. Loop thread only.
///
/// A datagram is sent whole or not at all, so several tasks may send: those that find no room wait in turn. What cannot be delivered is
/// reported later, by ICMP. A connected socket's next call throws such a report. One that is not connected keeps it for ``nextError(timeout:)``:
/// that one peer has gone must not end a server that talks to many.
final class DatagramCore {
    /// Reports that are kept while nobody asks for them; older ones make room.
    static let reportLimit = 256
    /// Reports that one event may bring: somebody who sends them faster than we look must not hold the loop.
    private static let reportsAtOnce = 64
    /// Datagrams of one recvmmsg(2), which need ``UDPOptions/maximumSize`` bytes each.
    private static let batch = 32

    private let fd: Int32
    private let loop: EventLoop
    private let descriptor: Descriptor
    private let maximumSize: Int
    let localAddress: SocketAddress
    /// Where a connected socket sends to.
    let remoteAddress: SocketAddress?
    private let takesBothFamilies: Bool
    private var isOpen = true
    private let site: CallTrace?
    private var isReceiving = false
    /// Where a batch is received; made by the first one.
    private var memory: UnsafeMutableRawBufferPointer?

    /// A connected socket's report that came along with datagrams: for the next call.
    private var pending: NetError?
    private var reports: [DeliveryError] = []
    private var reportWaiter: Descriptor?
    private let senders: RoomQueue

    /// Takes `fd` over: on an error it is closed.
    init(adopting fd: Int32, maximumSize: Int, on loop: EventLoop) throws {
        self.fd = fd
        self.loop = loop
        self.maximumSize = min(max(1, maximumSize), UDPOptions.largestSize)
        do {
            localAddress = try Socket.localAddress(fd)
            remoteAddress = Socket.remoteAddress(fd)
            takesBothFamilies = localAddress.isIPv6 && Socket.takesBothFamilies(fd)
            descriptor = try loop.register(fd, isDatagram: true)
        } catch {
            Socket.close(fd)
            throw error
        }
        site = loop.resourceSite
        senders = RoomQueue(for: descriptor, on: loop)
        if remoteAddress == nil { descriptor.watch(self, idleDeadline: .max) }
    }

    /// The last reference to the socket is gone.
    func drop() {
        guard isOpen else { return }
        loop.reportUnclosed("The UDP socket \(localAddress) (descriptor \(fd))", madeAt: site)
        close()
    }

    func close() {
        guard isOpen else { return }
        isOpen = false
        descriptor.unwatch()
        descriptor.release()
        Socket.close(fd)
        memory?.deallocate()
        memory = nil
        // Latched, also for a task that has not begun to wait yet: they find that the socket is closed.
        reportWaiter?.signal(.readable)
        senders.end()
    }

    // MARK: Receiving

    func receive(timeout: Duration?) async throws -> Datagram {
        try await beginReceiving()
        defer { isReceiving = false }
        let deadline = loop.deadline(after: timeout)
        while true {
            guard isOpen else { throw closed }
            guard descriptor.mayRead else {
                try await waitToReceive(deadline)
                continue
            }
            let scratch = loop.scratch
            let buffer = UnsafeMutableRawBufferPointer(rebasing: scratch[..<maximumSize])
            switch Socket.receiveDatagram(fd, into: buffer) {
            case .datagram(let count, let sender, let isTruncated):
                guard let sender = sender ?? remoteAddress else { continue }
                let bytes = UnsafeRawBufferPointer(rebasing: buffer[..<count])
                return Datagram(received: bytes, from: sender, isTruncated: isTruncated)
            case .failed(let code):
                try receivingFailed(code)
                await loop.yieldIfSliceIsOver()
            }
        }
    }

    func receive(upTo count: Int, timeout: Duration?) async throws -> [Datagram] {
        guard count > 0 else { throw NetError(.invalidArgument, "\(count) datagrams cannot be received.") }
        try await beginReceiving()
        defer { isReceiving = false }
        let deadline = loop.deadline(after: timeout)
        var result: [Datagram] = []
        while true {
            guard isOpen else {
                if result.isEmpty { throw closed }
                return result
            }
            guard descriptor.mayRead else {
                if !result.isEmpty { return result }
                try await waitToReceive(deadline)
                continue
            }
            let wanted = min(Self.batch, count - result.count)
            let received = Socket.receiveBatch(fd, wanted, size: maximumSize, into: batchMemory()) {
                guard let sender = $1 ?? remoteAddress else { return }
                result.append(Datagram(received: $0, from: sender, isTruncated: $2))
            }
            if received < 0 {
                do throws(NetError) {
                    try receivingFailed(Int32(-received))
                } catch {
                    if result.isEmpty { throw error }
                    pending = error
                    return result
                }
            } else if result.count == count || received < wanted && !result.isEmpty {
                // Few datagrams do not mean that there are no more: only EAGAIN says that, to the next receive.
                return result
            }
            await loop.yieldIfSliceIsOver()
        }
    }

    private func batchMemory() -> UnsafeMutableRawBufferPointer {
        if let memory { return memory }
        // The system gives pages as they are written to: small datagrams need few.
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.batch * maximumSize, alignment: 16)
        self.memory = memory
        return memory
    }

    private func beginReceiving() async throws {
        try Task.checkCancellation()
        // Not only while it waits: what comes for one must not go to another.
        guard !isReceiving else {
            throw NetError(.busy, "Another task receives from \(name): one at a time.")
        }
        if let error = pending {
            pending = nil
            throw error
        }
        isReceiving = true
        // Whoever receives in a circle from peers that always send never waits.
        await loop.yieldIfSliceIsOver()
    }

    /// What a receive said instead of returning something: returns if it is to be tried again.
    private func receivingFailed(_ code: Int32) throws(NetError) {
        if code == EAGAIN { return descriptor.readWouldBlock() }
        let reported = takeReports()
        if let remoteAddress { throw reported ?? Socket.undelivered(code, to: remoteAddress).cause }
        if reported != nil { return }
        guard Socket.isDeliveryError(code) else { throw NetError(errno: code, while: "Receiving from \(name)") }
        // The socket's error has been taken by this call; where the queue was full there is no more than its number.
        keep(Socket.undelivered(code, to: nil))
    }

    // MARK: Sending

    func send(_ bytes: ArraySlice<UInt8>, to address: SocketAddress?, timeout: Duration?) async throws {
        try await beginSending()
        defer { senders.passOn() }
        let destination = try destination(address)
        let deadline = loop.deadline(after: timeout)
        var refusal: Int32?
        while true {
            guard isOpen else { throw closed }
            let sent = bytes.withUnsafeBytes { Socket.send(fd, $0, to: destination) }
            if sent >= 0 { break }
            try await sendingFailed(Int32(-sent), bytes.count, destination, deadline, &refusal)
        }
        sendingSucceeded(refusal)
    }

    func send(_ batch: ArraySlice<Datagram>, timeout: Duration?) async throws {
        try await beginSending()
        defer { senders.passOn() }
        for datagram in batch { _ = try destination(datagram.peer) }
        var rest = batch
        var refusal: Int32?
        while let first = rest.first {
            guard isOpen else { throw closed }
            let (sent, wanted) = Socket.sendBatch(fd, rest, toPeers: remoteAddress == nil, by: loop.scratch)
            if sent >= 0 {
                rest.removeFirst(sent)
                sendingSucceeded(refusal)
                refusal = nil
                // sendmmsg(2) does not tell the error that has stopped it, and takes it off the socket all the same.
                if sent < wanted, let error = takeReports(), remoteAddress != nil { throw error }
                await loop.yieldIfSliceIsOver()
            } else {
                let deadline = loop.deadline(after: timeout)
                try await sendingFailed(Int32(-sent), first.bytes.count, first.peer, deadline, &refusal)
            }
        }
    }

    private func beginSending() async throws {
        try Task.checkCancellation()
        if let error = pending {
            pending = nil
            throw error
        }
        await loop.yieldIfSliceIsOver()
    }

    /// Where a datagram goes, for the system: nil on a connected socket.
    private func destination(_ address: SocketAddress?) throws(NetError) -> SocketAddress? {
        if let remoteAddress {
            guard address == nil || address == remoteAddress else {
                throw NetError(
                    .invalidArgument,
                    "This UDP socket is connected to \(remoteAddress), and cannot send to \(address?.description ?? "")."
                )
            }
            return nil
        }
        guard let address else {
            throw NetError(.invalidArgument, "\(name) is not connected: say whom to send to.")
        }
        guard address.port != nil, address.isIPv6 == localAddress.isIPv6 || takesBothFamilies else {
            throw NetError(.invalidAddress, "\(name) cannot send to \(address), which is of another family.")
        }
        return address
    }

    /// What a send said instead of sending: returns if it is to be tried again.
    ///
    /// - Parameter refusal: the error that the first attempt met; it may be a report about an earlier datagram.
    private func sendingFailed(
        _ code: Int32,
        _ count: Int,
        _ destination: SocketAddress?,
        _ deadline: Int64,
        _ refusal: inout Int32?
    ) async throws {
        if code == EAGAIN {
            descriptor.writeWouldBlock()
            return try outcome(try await senders.wait(deadline: deadline), "Sending from \(name)")
        }
        let reported = takeReports()
        let whom = destination ?? remoteAddress
        if code == EMSGSIZE, reported == nil {
            var error = NetError(
                .messageTooLarge,
                "A datagram of \(count) bytes to \(whom?.description ?? "the peer") is too large: UDP carries 65,507 over IPv4 and 65,527 over IPv6, without fragments some 1,200 to 1,472."
            )
            error.errno = code
            throw error
        }
        if remoteAddress != nil {
            if let reported { throw reported }
        } else if reported != nil || refusal == nil && Socket.isDeliveryError(code) {
            // A report on another datagram. Without one it may be, where the queue was full: a second attempt tells.
            refusal = reported == nil ? code : nil
            return await loop.yieldIfSliceIsOver()
        }
        if code == EACCES, let whom { throw Socket.broadcastRefused(whom) }
        throw NetError(errno: code, while: "Sending a datagram to \(whom?.description ?? "the peer")")
    }

    private func sendingSucceeded(_ refusal: Int32?) {
        if let refusal { keep(Socket.undelivered(refusal, to: nil)) }
    }

    // MARK: Reports

    /// The next report of what could not be delivered.
    func nextError(timeout: Duration?) async throws -> DeliveryError {
        guard remoteAddress == nil else {
            throw NetError(
                .invalidArgument,
                "\(name) is connected: what cannot be delivered is thrown by its next call."
            )
        }
        try Task.checkCancellation()
        let deadline = loop.deadline(after: timeout)
        while true {
            if !reports.isEmpty { return reports.removeFirst() }
            guard isOpen else { throw closed }
            guard reportWaiter == nil else {
                throw NetError(.busy, "Another task waits for the errors of \(name): one at a time.")
            }
            // An ordinary socket's watcher is none that virtual time stands still for; a task that waits for reports is.
            loop.beginExternalWork()
            let waiter = try loop.register(-1)
            reportWaiter = waiter
            defer {
                reportWaiter = nil
                waiter.release()
                loop.endExternalWork()
            }
            try outcome(await waiter.wait(toRead: true, deadline: deadline), "A report on datagrams from \(name)")
        }
    }

    /// Empties the socket's queue of reports.
    ///
    /// - Returns: the first, for a connected socket to throw; nil if there was none.
    private func takeReports() -> NetError? {
        var first: NetError?
        for _ in 0..<Self.reportsAtOnce {
            guard isOpen, let report = Socket.nextDeliveryReport(fd) else { return first }
            guard case .remote(let error) = report else { continue }
            if first == nil { first = error.cause }
            if remoteAddress == nil { keep(error) }
        }
        let bound = LoopBound(self, on: loop)
        // A connected socket's reports are one error, however many there are.
        loop.schedule { _ = bound.value.takeReports() }
        return first
    }

    private func keep(_ error: DeliveryError) {
        if reports.count == Self.reportLimit { reports.removeFirst() }
        reports.append(error)
        reportWaiter?.signal(.readable)
    }

    // MARK: Groups

    func changeMembership(join: Bool, group: String, interface: String?) throws {
        guard isOpen else { throw closed }
        let address = try SocketAddress(group, port: 0)
        guard address.isMulticast else {
            throw NetError(.invalidArgument, "\(group) is no multicast address (224.0.0.0/4, ff00::/8).")
        }
        guard address.isIPv6 == localAddress.isIPv6 || takesBothFamilies else {
            throw NetError(.invalidAddress, "\(name) cannot join \(group), which is of another family.")
        }
        try Socket.changeMembership(fd, join: join, group: address, interface: interface)
    }

    // MARK: Waiting

    private func waitToReceive(_ deadline: Int64) async throws {
        try outcome(await descriptor.wait(toRead: true, deadline: deadline), "Receiving from \(name)")
    }

    private func outcome(_ outcome: WaitOutcome, _ action: String) throws {
        switch outcome {
        // Busy: whoever waited first is looked for again.
        case .ready, .busy: return
        // Another task's cancellation may have come late: this one goes on.
        case .cancelled: try Task.checkCancellation()
        case .timedOut: throw NetError(.timedOut, "\(action) took longer than was allowed.")
        case .closed: throw closed
        }
    }

    private var closed: NetError { NetError(.closed, "\(name) was closed on this side.") }
    private var name: String { "The UDP socket on \(localAddress)" }
}

extension DatagramCore: DescriptorWatcher {
    /// Somebody has reported that a datagram was not delivered. Whoever receives takes that off the socket as well, but nobody need receive.
    func descriptorChanged(_ outcome: WaitOutcome) { _ = takeReports() }
}
