#if TLS
import COpenSSL

/// What OpenSSL reads and writes: a ``Transport``, so that records go between the socket and OpenSSL's buffers without another copy.
/// Loop thread only.
///
/// Writing never fails and never waits as far as OpenSSL is told. What the transport has no room for stays here, at most one record, one
/// flight of the handshake and a few alerts: OpenSSL would otherwise hold the record itself, and take the next write, whatever it
/// holds, for the same one again. An error comes to light with the next write, since there may be something to read that explains it,
/// such as the alert of a peer that has closed.
final class OpenSSLBIO {
    let lower: any Transport
    private(set) var readError: NetError?
    private(set) var writeError: NetError?
    /// What was read since this was last set to 0.
    var readCount = 0
    /// Whether the last read was put off, since ``readLimit`` was reached.
    private(set) var isPaused = false

    /// What one call of OpenSSL's gets to read: one record at least (RFC 8446 §5.2). It would go on for as long as a peer sends records
    /// without data, and keep the loop.
    private static let readLimit = 16_384 + 256 + 5
    /// Encrypted, and not yet taken by the transport.
    private var unsent: [UInt8] = []
    private var sentCount = 0

    /// More waits only if a peer makes us answer and never reads, with renegotiations that we refuse for example: then nothing more is read.
    static let unsentLimit = 256 * 1024

    init(over lower: any Transport) { self.lower = lower }

    /// Makes `ssl`, which must not outlive this, read and write here.
    func attach(to ssl: OpaquePointer) throws(TLSError) {
        guard let bio = BIO_new(Self.method) else {
            throw TLSError(.badConfiguration, "OpenSSL cannot make a BIO: \(OpenSSLErrors.take())")
        }
        BIO_set_data(bio, Unmanaged.passUnretained(self).toOpaque())
        BIO_set_init(bio, 1)
        // The connection owns it from now on, for both directions.
        SSL_set_bio(ssl, bio, bio)
    }

    var unsentCount: Int { unsent.count - sentCount }

    /// Tries to send what is left. Returns whether nothing is.
    func flush() -> Bool {
        guard !unsent.isEmpty else { return true }
        sentCount += unsent.withUnsafeBytes { send(UnsafeRawBufferPointer(rebasing: $0[sentCount...])) }
        if unsentCount > 0, writeError == nil { return false }
        unsent = []
        sentCount = 0
        return true
    }

    private func write(_ bytes: UnsafeRawBufferPointer) {
        guard writeError == nil else { return }
        // After an error this is the alert that tells the peer. With TLS below, sending it now would empty OpenSSL's one queue of errors
        // before anybody has looked at it.
        let count = unsent.isEmpty && ERR_peek_error() == 0 ? send(bytes) : 0
        if count < bytes.count, writeError == nil { unsent.append(contentsOf: bytes[count...]) }
    }

    private func send(_ bytes: UnsafeRawBufferPointer) -> Int {
        var count = 0
        do throws(NetError) {
            while count < bytes.count, let sent = try lower.send(UnsafeRawBufferPointer(rebasing: bytes[count...])) {
                count += sent
            }
        } catch {
            writeError = error
        }
        return count
    }

    private func read(into buffer: UnsafeMutableRawBufferPointer, _ bio: OpaquePointer) -> Int32 {
        guard readError == nil else { return -1 }
        isPaused = readCount >= Self.readLimit
        guard !isPaused, unsentCount <= Self.unsentLimit else {
            apus_bio_retry_read(bio)
            return -1
        }
        do throws(NetError) {
            if let count = try lower.receive(into: buffer) {
                readCount += count
                return Int32(count)
            }
            apus_bio_retry_read(bio)
        } catch {
            readError = error
        }
        return -1
    }

    // Made once, never freed; BIO methods may be used by all threads.
    private nonisolated(unsafe) static let method: OpaquePointer? = {
        let method = BIO_meth_new(BIO_get_new_index() | Int32(BIO_TYPE_SOURCE_SINK), "apus transport")
        BIO_meth_set_read(method) { bio, buffer, count in
            guard let bio, let data = BIO_get_data(bio) else { return -1 }
            apus_bio_clear_retry(bio)
            let transport = Unmanaged<OpenSSLBIO>.fromOpaque(data).takeUnretainedValue()
            return transport.read(into: UnsafeMutableRawBufferPointer(start: buffer, count: Int(count)), bio)
        }
        BIO_meth_set_write(method) { bio, buffer, count in
            guard let bio, let data = BIO_get_data(bio) else { return -1 }
            apus_bio_clear_retry(bio)
            let transport = Unmanaged<OpenSSLBIO>.fromOpaque(data).takeUnretainedValue()
            transport.write(UnsafeRawBufferPointer(start: buffer, count: Int(count)))
            return count
        }
        BIO_meth_set_ctrl(method) { _, command, _, _ in command == Int32(BIO_CTRL_FLUSH) ? 1 : 0 }
        return method
    }()
}
#endif
