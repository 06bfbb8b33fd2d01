import Apus
import Glibc

/// One channel of c-ares, the asynchronous resolver of curl, Node.js and Python's `aiodns`: a library that owns its sockets, and wants to be
/// told when they are ready.
///
/// The library is opened when the program runs, so that nothing but this example needs it. A program of yours would import a module map with
/// its header instead, and link it; what drives it (`wait`) would be the same.
nonisolated final class CAres {
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    /// What one query came to.
    private final class Answer {
        var result: Result<[String], Failure>?
    }

    private typealias Channel = OpaquePointer
    private typealias HostCallback =
        @convention(c) (UnsafeMutableRawPointer?, Int32, Int32, UnsafePointer<hostent>?) -> Void

    private let library: Library
    private let channel: Channel

    /// - Parameter server: `address:port` of the name server to ask.
    init(server: String) throws {
        let library = try Library()
        try library.check(library.initializeLibrary(1))  // ARES_LIB_INIT_ALL
        var channel: Channel?
        try library.check(library.initialize(&channel))
        guard let channel else { throw Failure(description: "ares_init gave no channel") }
        self.library = library
        self.channel = channel
        try library.check(library.setServers(channel, server))
    }

    deinit { library.destroy(channel) }

    /// The IPv4 addresses of each name, asked for together.
    func addresses(of names: [String]) async throws -> [Result<[String], Failure>] {
        let answers = names.map { name in
            let answer = Answer()
            library.getHostByName(channel, name, AF_INET, Self.received, Unmanaged.passRetained(answer).toOpaque())
            return answer
        }
        // A query whose task is cancelled ends too: the library calls its callback.
        defer { if answers.contains(where: { $0.result == nil }) { library.cancel(channel) } }
        while answers.contains(where: { $0.result == nil }) { try await wait() }
        return answers.compactMap(\.result)
    }

    /// Called by the library, on this thread, from within `process`.
    private static let received: HostCallback = { argument, status, _, host in
        guard let argument else { return }
        let answer = Unmanaged<Answer>.fromOpaque(argument).takeRetainedValue()
        guard status == 0, let host else {
            answer.result = .failure(Failure(description: (try? Library())?.text(status) ?? "error \(status)"))
            return
        }
        var figures: [String] = []
        var next = host.pointee.h_addr_list
        while let address = next?.pointee {
            var text = [CChar](repeating: 0, count: 16)
            inet_ntop(AF_INET, address, &text, socklen_t(text.count))
            figures.append(String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self))
            next = next?.advanced(by: 1)
        }
        answer.result = .success(figures)
    }

    // MARK: Driving it

    /// Waits until one of the library's sockets is ready, or its timer is due, and tells it so: asyncio's `add_reader` and `add_writer`.
    ///
    /// The library says anew each time what it waits for, and reads as much as it likes: what it leaves makes the next wait end at once. Each
    /// handle is closed before the library goes on, since that may close the socket.
    private func wait() async throws {
        var sockets = [Int32](repeating: -1, count: 16)
        let wanted = UInt32(bitPattern: library.getSockets(channel, &sockets, 16))
        var waits: [(handle: IOHandle, forWriting: Bool)] = []
        for (index, socket) in sockets.enumerated() {
            let (reads, writes) = (wanted >> index & 1 == 1, wanted >> (index + 16) & 1 == 1)
            guard reads || writes else { continue }
            let handle = try IOHandle(socket)
            if reads { waits.append((handle, false)) }
            if writes { waits.append((handle, true)) }
        }
        var timer = timeval()
        let limit = library.getTimeout(channel, nil, &timer).map {
            Duration.seconds($0.pointee.tv_sec) + .microseconds($0.pointee.tv_usec)
        }
        var (readable, writable): (Int32, Int32) = (-1, -1)  // ARES_SOCKET_BAD
        do {
            let ready = try await race(waits) { wait in
                if wait.forWriting {
                    try await wait.handle.writable(timeout: limit)
                } else {
                    try await wait.handle.readable(timeout: limit)
                }
                return (descriptor: wait.handle.descriptor, forWriting: wait.forWriting)
            }
            if ready.forWriting { writable = ready.descriptor } else { readable = ready.descriptor }
        } catch is TimeoutError {
            // Neither: the library looks what is overdue, and asks again or gives up.
        }
        for wait in waits { wait.handle.close() }
        library.process(channel, readable, writable)
    }

    // MARK: The library

    /// Its functions, as `ares.h` declares them.
    private struct Library {
        typealias ChannelPointer = UnsafeMutablePointer<Channel?>
        typealias Time = UnsafeMutablePointer<timeval>

        let initializeLibrary: @convention(c) (Int32) -> Int32
        let initialize: @convention(c) (ChannelPointer) -> Int32
        let setServers: @convention(c) (Channel, UnsafePointer<CChar>) -> Int32
        let getHostByName:
            @convention(c) (Channel, UnsafePointer<CChar>, Int32, HostCallback, UnsafeMutableRawPointer) -> Void
        let getSockets: @convention(c) (Channel, UnsafeMutablePointer<Int32>, Int32) -> Int32
        let getTimeout: @convention(c) (Channel, Time?, Time) -> Time?
        let process: @convention(c) (Channel, Int32, Int32) -> Void
        let cancel: @convention(c) (Channel) -> Void
        let destroy: @convention(c) (Channel) -> Void
        private let describe: @convention(c) (Int32) -> UnsafePointer<CChar>

        init() throws {
            guard let file = dlopen("libcares.so.2", RTLD_NOW) else {
                throw Failure(
                    description:
                        "libcares.so.2 cannot be opened. Install it (Debian: libc-ares2, since Debian 13 libcares2), "
                        + "or name its folder in LD_LIBRARY_PATH. The system says: "
                        + (dlerror().map { String(cString: $0) } ?? "nothing")
                )
            }
            func function<Function>(_ name: String) throws -> Function {
                guard let symbol = dlsym(file, name) else {
                    throw Failure(description: "libcares.so.2 has no function \(name)")
                }
                return unsafeBitCast(symbol, to: Function.self)
            }
            initializeLibrary = try function("ares_library_init")
            initialize = try function("ares_init")
            setServers = try function("ares_set_servers_ports_csv")
            getHostByName = try function("ares_gethostbyname")
            getSockets = try function("ares_getsock")
            getTimeout = try function("ares_timeout")
            process = try function("ares_process_fd")
            cancel = try function("ares_cancel")
            destroy = try function("ares_destroy")
            describe = try function("ares_strerror")
        }

        func text(_ status: Int32) -> String { String(cString: describe(status)) }

        func check(_ status: Int32) throws {
            if status != 0 { throw Failure(description: "c-ares: \(text(status))") }
        }
    }
}
