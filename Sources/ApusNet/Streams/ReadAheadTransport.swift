import ApusRuntime

/// A transport that begins with bytes which somebody has read from it already. Loop thread only.
final class ReadAheadTransport: Transport {
    private var bytes: ArraySlice<UInt8>
    let lower: any Transport
    let descriptor: Descriptor

    init(_ bytes: [UInt8], before lower: any Transport) {
        self.bytes = bytes[...]
        self.lower = lower
        descriptor = lower.descriptor
        descriptor.noteReadable()
    }

    func receive(into buffer: UnsafeMutableRawBufferPointer) throws(NetError) -> Int? {
        guard !bytes.isEmpty else { return try lower.receive(into: buffer) }
        let count = min(bytes.count, buffer.count)
        buffer.copyBytes(from: bytes.prefix(count))
        bytes.removeFirst(count)
        return count
    }

    func send(_ bytes: UnsafeRawBufferPointer) throws(NetError) -> Int? { try lower.send(bytes) }
    func abandonSend() { lower.abandonSend() }
    func finishSending() { lower.finishSending() }
    func close() { lower.close() }
    var mayResetOnClose: Bool { lower.mayResetOnClose }
    func abort() { lower.abort() }
    var remoteAddress: SocketAddress? { lower.remoteAddress }
    var localAddress: SocketAddress? { lower.localAddress }
}
