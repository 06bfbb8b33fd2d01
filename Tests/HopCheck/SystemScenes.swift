import Apus
import ApusRuntime
import CApus
import Glibc

// Scenes about what stops the process, and about the system below it.
extension Scene {
    // MARK: Traps

    // What these do is a data race: they end by a trap, in a release build too.

    /// `checkIsolated` off the loop.
    static func offLoopIsolation() -> Int32 {
        play {
            try EventLoop.run {
                guard let loop = EventLoop.current else { return }
                loop.checkIsolated()
                print("on the loop")
                try await offload { loop.checkIsolated() }
                print("not stopped")
            }
        }
    }

    /// `assumeIsolated` of an actor that is bound to the loop, off the loop.
    static func offLoopActor() -> Int32 {
        play {
            try EventLoop.run {
                guard let loop = EventLoop.current else { return }
                let bound = LoopActor(loop)
                print("on the loop: \(bound.assumed())")
                try await offload { _ = bound.assumed() }
                print("not stopped")
            }
        }
    }

    /// Loop-owned state off its loop.
    static func offLoopValue() -> Int32 {
        play {
            try EventLoop.run {
                guard let loop = EventLoop.current else { return }
                let bound = LoopBound(1, on: loop)
                print("on the loop: \(bound.value)")
                try await offload { _ = bound.value }
                print("not stopped")
            }
        }
    }

    // MARK: fork

    /// The shared loop comes back in a forked child, and in its child, and the parent keeps its own.
    static func forkShared() -> Int32 {
        play {
            let parents = EventLoop.shared
            roundTrip(of: parents)
            for _ in 1...2 { print("child: \(inFork { sharedInChild(parents) })") }
            roundTrip(of: parents)
            print("parent: \(EventLoop.shared === parents)")
        }
    }

    private static func sharedInChild(_ parents: EventLoop) -> Int32 {
        let own = EventLoop.shared
        guard own !== parents, own === EventLoop.shared, own.name == "shared" else { return 1 }
        roundTrip(of: own)
        return inFork {
            let grandchilds = EventLoop.shared
            guard grandchilds !== own, grandchilds !== parents else { return 2 }
            roundTrip(of: grandchilds)
            return 0
        }
    }

    /// Runs `body` in a child, whose exit status it becomes. Returns that.
    ///
    /// It forks when all other threads sleep in the kernel: Swift's runtime has locks of its own, which know nothing of forks, and a child
    /// that inherits one from a thread that was looking up a conformance, say, waits for ever (6.3.1).
    static func inFork(_ body: () -> Int32) -> Int32 {
        var calm = 0
        while calm < 3 {
            calm = othersSleep() ? calm + 1 : 0
            sched_yield()
        }
        let child = systemFork()
        if child == 0 { _exit(body()) }
        var status: Int32 = 0
        waitpid(child, &status, 0)
        return status
    }

    /// Whether every thread but this one waits in the kernel: its state in /proc is S.
    private static func othersSleep() -> Bool {
        guard let tasks = opendir("/proc/self/task") else { return false }
        defer { closedir(tasks) }
        while let entry = readdir(tasks) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            guard let thread = Int32(name), thread != apus_gettid() else { continue }
            guard let file = fopen("/proc/self/task/\(name)/stat", "re") else { continue }
            defer { fclose(file) }
            var line = [CChar](repeating: 0, count: 512)
            guard fgets(&line, 512, file) != nil else { continue }
            // PID (NAME) STATE …
            let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            if text.split(separator: ")").last?.first(where: { $0 != " " }) != "S" { return false }
        }
        return true
    }

    /// Waits until `loop` has run a function.
    private static func roundTrip(of loop: EventLoop) {
        let descriptor = eventfd(0, Int32(EFD_CLOEXEC))
        defer { close(descriptor) }
        loop.schedule {
            var one: UInt64 = 1
            _ = write(descriptor, &one, 8)
        }
        var count: UInt64 = 0
        _ = read(descriptor, &count, 8)
    }

    // MARK: An older kernel

    /// The kernel refuses epoll_pwait2, as one before 5.11 does, or a sandbox that does not know it.
    static func withoutPreciseWait(_ error: Int32) -> Int32 {
        play {
            try refuseSystemCall(441, error)
            let answer = epollPwait2(-1)
            print("refused: \(answer == ENOSYS ? "ENOSYS" : answer == EPERM ? "EPERM" : "\(answer)")")
            try EventLoop.run {
                let clock = ContinuousClock()
                let start = clock.now
                try await sleep(for: .microseconds(1_500))
                let slept = start.duration(to: clock.now) >= .microseconds(1_500)
                let order = try await gather([3, 1, 2]) { number in
                    try await sleep(for: .milliseconds(number * 20))
                    return (number, clock.now)
                }.sorted { $0.1 < $1.1 }.map(\.0)
                let echo = try await EchoServer.start()
                let stream = try await TCPStream.connect(to: echo.address)
                try await stream.write("ping")
                var count = 0
                while count < 4 { count += try await stream.read().count }
                await stream.close()
                await echo.stop()
                let five = try await offload { 5 }
                print("slept: \(slept), in order: \(order), read: \(count), offloaded: \(five)")
            }
        }
    }

    /// What the kernel says to epoll_pwait2 for no descriptor: EBADF, if it knows the call.
    private static func epollPwait2(_ descriptor: Int) -> Int32 {
        var event = epoll_event()
        let result = systemCall(441, descriptor, &event, 1, nil, nil, 0)
        return result < 0 ? errno : 0
    }

    private struct NoFilter: Error { var error: String }

    /// Has the kernel answer `error` to every later call with `number`, in this process: seccomp(2).
    private static func refuseSystemCall(_ number: UInt32, _ error: Int32) throws {
        // struct sock_filter, one instruction in 64 bits: code, jump if true, jump if false, and a constant.
        func instruction(_ code: UInt64, _ jumps: UInt64, _ constant: UInt64) -> UInt64 {
            code | jumps << 16 | constant << 32
        }
        var filter: [UInt64] = [
            instruction(0x20, 0, 0),  // load the call's number
            instruction(0x15, 0x01_00, UInt64(number)),  // go on if it is ours, else skip one
            instruction(0x06, 0, 0x0005_0000 | UInt64(error)),  // SECCOMP_RET_ERRNO
            instruction(0x06, 0, 0x7FFF_0000),  // SECCOMP_RET_ALLOW
        ]
        let status = filter.withUnsafeMutableBufferPointer { filter in
            var program = (count: UInt16(filter.count), filter: filter.baseAddress)
            // PR_SET_NO_NEW_PRIVS, then PR_SET_SECCOMP with SECCOMP_MODE_FILTER.
            return processControl(38, 1, nil, 0, 0) + processControl(22, 2, &program, 0, 0)
        }
        guard status == 0 else { throw NoFilter(error: String(cString: strerror(errno))) }
    }
}

// Swift does not import functions with variable arguments.
@_silgen_name("prctl")
private func processControl(
    _ option: Int32,
    _ second: UInt,
    _ third: UnsafeMutableRawPointer?,
    _ fourth: UInt,
    _ fifth: UInt
) -> Int32
@_silgen_name("syscall")
private func systemCall(
    _ number: Int,
    _ first: Int,
    _ second: UnsafeMutableRawPointer?,
    _ third: Int,
    _ fourth: UnsafeRawPointer?,
    _ fifth: UnsafeRawPointer?,
    _ sixth: Int
) -> Int
