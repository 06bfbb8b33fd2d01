import Glibc

/// Two connected sockets, non-blocking; the far end is written and read without the loop's knowledge.
struct SocketPair: Sendable {
    let near: Int32
    let far: Int32

    init() throws {
        var ends: [Int32] = [-1, -1]
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        guard socketpair(AF_UNIX, type, 0, &ends) == 0 else { throw Oops(number: Int(errno)) }
        near = ends[0]
        far = ends[1]
    }

    func write(_ bytes: [UInt8]) {
        _ = send(far, bytes, bytes.count, Int32(MSG_NOSIGNAL))
    }

    func finishWriting() { shutdown(far, Int32(SHUT_WR)) }

    /// What `recv` of up to `count` bytes says: a number of bytes, or the negated errno.
    func read(upTo count: Int) -> Int { Self.read(near, upTo: count) }

    static func read(_ fd: Int32, upTo count: Int) -> Int {
        withUnsafeTemporaryAllocation(byteCount: count, alignment: 1) { buffer in
            let result = recv(fd, buffer.baseAddress, count, 0)
            return result < 0 ? -Int(errno) : result
        }
    }

    func close() {
        Glibc.close(near)
        Glibc.close(far)
    }
}
