import ApusWire

/// The memory that a pool's connections receive into and send from, one after the other.
///
/// Of ten thousand connections that wait for an answer nearly none holds a byte: a buffer each would be 20 KiB each, and in no
/// cache when its turn comes. A connection keeps what it was lent until another needs it, which is most often when it has nothing
/// more in it; what it has moves to memory of its own then. Loop thread only.
final class LentBuffers {
    /// One read's worth: a head, and most small bodies with it.
    static let inputSize = 16 * 1024
    private static let outputSize = 4 * 1024

    private let input = UnsafeMutableRawBufferPointer.allocate(byteCount: inputSize, alignment: 64)
    private let output = UnsafeMutableRawBufferPointer.allocate(byteCount: outputSize, alignment: 64)
    @exclusivity(unchecked) private var receiver: UnsafeMutablePointer<HTTP1Connection>?
    @exclusivity(unchecked) private var sender: UnsafeMutablePointer<HTTP1Connection>?

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
        sender = http.pointee.borrowOutput(output) ? http : nil
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
