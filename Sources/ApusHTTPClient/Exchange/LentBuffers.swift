import ApusWire

/// The memory that a pool's connections receive into and send from, one after the other.
///
/// Of ten thousand connections that wait for an answer nearly none holds a byte: a buffer each would be 20 KiB each, and in no
/// cache when its turn comes. A connection keeps what it was lent until another needs it, which is most often when it has nothing
/// more in it; what it has moves to memory of its own then. Requests that are deferred to the end of the loop's slice stay where they
/// are, one behind the other, and the next connection is lent what is behind them. Loop thread only.
final class LentBuffers {
    /// One read's worth: a head, and most small bodies with it.
    static let inputSize = 16 * 1024
    /// What is lent at least, and what a deferred request may take at most: longer ones take longer than the wake-up that deferring saves.
    static let outputSize = 4 * 1024
    /// Some ninety usual requests, and one more.
    private static let outputCapacity = 4 * outputSize

    private let input = UnsafeMutableRawBufferPointer.allocate(byteCount: inputSize, alignment: 64)
    private let output = UnsafeMutableRawBufferPointer.allocate(byteCount: outputCapacity, alignment: 64)
    @exclusivity(unchecked) private var receiver: UnsafeMutablePointer<HTTP1Connection>?
    @exclusivity(unchecked) private var sender: UnsafeMutablePointer<HTTP1Connection>?
    /// Deferred requests that lie in the output's memory, and how far they reach.
    @exclusivity(unchecked) private var keptCount = 0
    @exclusivity(unchecked) private var keptEnd = 0

    deinit {
        // Every connection that may use them keeps this.
        input.deallocate()
        output.deallocate()
    }

    /// Lends the memory for what is received, unless the connection has something already.
    @inline(__always)
    func lendInput(to http: UnsafeMutablePointer<HTTP1Connection>) {
        if receiver == http { return }
        receiver?.pointee.giveBackInput()
        receiver = http.pointee.borrowInput(input) ? http : nil
    }

    /// Lends the memory for what is to be sent, unless the connection has something to send already.
    @inline(__always)
    func lendOutput(to http: UnsafeMutablePointer<HTTP1Connection>) {
        if sender == http { return }
        sender?.pointee.giveBackOutput()
        sender = http.pointee.borrowOutput(UnsafeMutableRawBufferPointer(rebasing: output[keptEnd...])) ? http : nil
    }

    /// Leaves what the connection has to send where it is, until ``release(_:)``.
    ///
    /// - Returns: false if there is no room for another connection's behind it, or if it is more than is worth it.
    func keepOutput(of http: UnsafeMutablePointer<HTTP1Connection>) -> Bool {
        let bytes = http.pointee.output
        guard sender == http, bytes.count <= Self.outputSize, let first = bytes.baseAddress,
            let memory = output.baseAddress
        else { return false }
        // By where it lies, and not by what was kept before: the connection may have been lent the memory when more was kept than now.
        let start = UnsafeRawPointer(memory).distance(to: first)
        // By cache lines.
        let end = (start + bytes.count + 63) & ~63
        guard start >= keptEnd, end <= output.count - Self.outputSize else { return false }
        sender = nil
        keptCount += 1
        keptEnd = end
        return true
    }

    /// Ends ``keepOutput(of:)``: what has not been sent moves to memory of the connection's own.
    func release(_ http: UnsafeMutablePointer<HTTP1Connection>) {
        assert(keptCount > 0, "what is released was kept")
        http.pointee.giveBackOutput()
        keptCount -= 1
        if keptCount == 0 { keptEnd = 0 }
    }

    /// The connection has them no more, and keeps what it has in them.
    func takeBack(from http: UnsafeMutablePointer<HTTP1Connection>) {
        if receiver == http {
            receiver = nil
            http.pointee.giveBackInput()
        }
        if sender == http {
            sender = nil
            http.pointee.giveBackOutput()
        }
    }
}
