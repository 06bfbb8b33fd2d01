import Glibc

/// The file of a listening Unix socket: made with it, and removed with it if it is still the same.
struct SocketFile {
    private let path: String
    private let device: dev_t
    private let inode: ino_t

    /// Binds and listens at `path`, in the place of a socket whose listener is gone.
    static func listen(
        at path: String,
        _ address: SocketAddress,
        permissions: Int?,
        backlog: Int32
    ) throws(NetError) -> (Int32, SocketFile?) {
        let fd: Int32
        do throws(NetError) {
            fd = try Socket.listen(address, backlog: backlog, reusePort: false, permissions: permissions)
        } catch  where error.code == .addressInUse {
            guard try isStale(path, address) else { throw error }
            unlink(path)
            fd = try Socket.listen(address, backlog: backlog, reusePort: false, permissions: permissions)
        }
        var facts = stat()
        guard lstat(path, &facts) == 0 else { return (fd, nil) }
        return (fd, SocketFile(path: path, device: facts.st_dev, inode: facts.st_ino))
    }

    /// Whether `path` is a socket that nobody listens to.
    private static func isStale(_ path: String, _ address: SocketAddress) throws(NetError) -> Bool {
        var facts = stat()
        guard lstat(path, &facts) == 0 else { return errno == ENOENT }
        guard facts.st_mode & S_IFMT == S_IFSOCK else {
            throw NetError(.addressInUse, "“\(path)” is there already, and no socket: it is left alone.")
        }
        let probe = try Socket.make(family: AF_UNIX)
        defer { Socket.close(probe) }
        do throws(NetError) {
            // EAGAIN: its backlog is full, so it has a listener.
            _ = try Socket.connect(probe, to: address)
            return false
        } catch {
            return error.code == .connectionRefused
        }
    }

    /// Removes the file, unless another has taken its place: a successor that replaced it, for example.
    func remove() {
        var facts = stat()
        guard lstat(path, &facts) == 0, facts.st_dev == device, facts.st_ino == inode else { return }
        unlink(path)
    }
}
