import Apus
import ApusRuntime
import ApusTesting
import CApus
import Glibc

// Scenes about signals as a sequence, and about several runs on one loop.
extension Scene {
    static let ofLoops: [String: @Sendable () -> Int32] = [
        "signals": signalsToAll,
        "signals-interrupt": signalsInterrupt,
        "signals-before-run": signalsBeforeRun,
        "signals-own-handler": signalsOwnHandler,
        "signals-children": signalsInChildren,
        "signals-off-loop": signalsOffLoop,
        "signals-loop-end": signalsLoopEnd,
        "signals-storm": signalsStorm,
        "signals-blocked": signalsBlocked,
        "runner": runner,
    ]

    /// What the process does with a signal: “default”, “ignored” or “handled”.
    private static func disposition(_ number: Int32) -> String {
        // The function, which has the same name as its structure.
        let look: (Int32, UnsafePointer<sigaction>?, UnsafeMutablePointer<sigaction>?) -> Int32 = sigaction
        var action = sigaction()
        _ = look(number, nil, &action)
        let handler = action.__sigaction_handler.sa_handler
        if handler == nil { return "default" }
        return unsafeBitCast(handler, to: Int.self) == 1 ? "ignored" : "handled"
    }

    private static func raise(_ numbers: Int32...) {
        for number in numbers { kill(getpid(), number) }
    }

    /// Each listener gets each signal it asked for, once however often it came, and the last one puts the default back.
    static func signalsToAll() -> Int32 {
        play {
            try EventLoop.run {
                var first = Optional(try signals(.usr1))
                let second = try signals(.usr1, .usr2)
                raise(SIGUSR1, SIGUSR1, SIGUSR1)
                var iterator = first?.makeAsyncIterator()
                var others = Optional(second.makeAsyncIterator())
                guard let one = await iterator?.next(), let two = await others?.next() else { return }
                print("\(one) and \(two)")
                iterator = nil
                first = nil
                print("with one of two: \(disposition(SIGUSR1))")
                raise(SIGUSR2, SIGUSR1, SIGUSR2)
                guard let three = await others?.next(), let four = await others?.next() else { return }
                print("\(three) and \(four)")
                others = nil
                withExtendedLifetime(second) {}
            }
            print("afterwards: \(disposition(SIGUSR1)), \(disposition(SIGUSR2)), \(disposition(SIGINT))")
        }
    }

    /// A listener takes Ctrl-C over, and gives it back.
    static func signalsInterrupt() -> Int32 {
        play {
            do {
                try EventLoop.run {
                    do {
                        let interrupts = try signals(.int)
                        raise(SIGINT)
                        for await signal in interrupts {
                            print("\(signal), cancelled: \(Task.isCancelled)")
                            break
                        }
                        raise(SIGINT)
                        for await _ in interrupts { break }
                        print("again, cancelled: \(Task.isCancelled)")
                    }
                    raise(SIGINT)
                    try await untilCancelled()
                }
            } catch is CancellationError {
                print("given back: cancelled")
            }
            print("afterwards: \(disposition(SIGINT))")
        }
    }

    /// A listener that was there before the run, and ends after it.
    static func signalsBeforeRun() -> Int32 {
        play {
            let early = try signals(.int)
            try EventLoop.run {
                raise(SIGINT)
                for await signal in early {
                    print("\(signal), cancelled: \(Task.isCancelled)")
                    break
                }
            }
            print("after the run: \(disposition(SIGINT))")
            withExtendedLifetime(early) {}
        }
    }

    /// A handler of the program's own comes back; so does "ignored".
    static func signalsOwnHandler() -> Int32 {
        play {
            signal(SIGUSR1) { _ in _ = write(1, "mine\n", 5) }
            signal(SIGUSR2, SIG_IGN)
            try EventLoop.run {
                raise(SIGUSR1)
                for _ in 0..<2 {
                    do {
                        let both = try signals(.usr1, .usr2)
                        raise(SIGUSR1)
                        for await signal in both {
                            print("\(signal)")
                            break
                        }
                    }
                    raise(SIGUSR1)
                    print("between: \(disposition(SIGUSR2))")
                }
                // Who installs a handler meanwhile keeps it.
                do {
                    let one = try signals(.usr1)
                    signal(SIGUSR1) { _ in _ = write(1, "newer\n", 6) }
                    withExtendedLifetime(one) {}
                }
                raise(SIGUSR1)
            }
        }
    }

    /// What is executed, and what is forked, ends by the signal; the parent does not hear of it.
    static func signalsInChildren() -> Int32 {
        play {
            try EventLoop.run {
                let ends = try signals(.term, .usr1)
                let child = systemFork()
                if child == 0 {
                    kill(getpid(), SIGTERM)
                    _exit(0)
                }
                var status: Int32 = 0
                waitpid(child, &status, 0)
                print("forked child ended by \(status & 0x7F)")
                status = try await offload { system("kill -TERM $$") }
                print("executed child ended by \(status & 0x7F)")
                raise(SIGUSR1)
                for await signal in ends {
                    print("parent: \(signal)")
                    break
                }
            }
        }
    }

    /// Off every loop the shared one watches; the task stays where it is.
    static func signalsOffLoop() -> Int32 {
        play {
            try EventLoop.run {
                let text = await Task.detached {
                    do {
                        let sequence = try signals(.usr2)
                        raise(SIGUSR2)
                        for await signal in sequence { return "\(signal), on a loop: \(EventLoop.current != nil)" }
                        return "ended"
                    } catch { return "\(error)" }
                }.value
                print(text)
                let other = try await EventLoop.with {
                    let sequence = try signals(.usr2)
                    raise(SIGUSR2)
                    for await signal in sequence { return "\(signal) on \(EventLoop.current?.name ?? "no loop")" }
                    return "ended"
                }
                print(other)
                await fromMainActor()
            }
            print("afterwards: \(disposition(SIGUSR2))")
        }
    }

    @MainActor
    private static func fromMainActor() async {
        guard let sequence = try? signals(.usr2) else { return }
        raise(SIGUSR2)
        for await signal in sequence {
            MainActor.assertIsolated()
            print("\(signal) on the main actor")
            return
        }
    }

    /// The loop's end ends its sequences, also those that somebody keeps or waits for elsewhere, and closes their descriptors.
    static func signalsLoopEnd() -> Int32 {
        play {
            // The shared loop, the main queue's descriptor.
            try EventLoop.run { try await EventLoop.shared.spawn {}.value }
            let before = openDescriptors()
            try EventLoop.run {
                let (kept, waiting) = try await EventLoop.with {
                    let kept = try signals(.usr1)
                    let waiting = EventLoop.shared.spawn {
                        for await signal in kept { return "\(signal)" }
                        return "ended"
                    }
                    // It waits, or finds the end later: both must end.
                    await Task.yield()
                    return (kept, waiting)
                }
                print("waiting: \(try await waiting.value), \(disposition(SIGUSR1))")
                for await signal in kept { print("\(signal)") }
                print("kept: ended")
            }
            print("left: \(openDescriptors().subtracting(before).count)")
        }
    }

    /// A process whose threads block everything, as what a libdispatch thread starts inherits it, hears its signals all the same.
    static func signalsBlocked() -> Int32 {
        play {
            var all = sigset_t()
            sigfillset(&all)
            pthread_sigmask(SIG_BLOCK, &all, nil)
            try EventLoop.run {
                let sequence = try signals(.term)
                raise(SIGTERM)
                for await signal in sequence {
                    print("\(signal)")
                    break
                }
            }
        }
    }

    /// Listeners come and go on three loops while two threads send signals: nobody writes to a descriptor that is another's by now.
    static func signalsStorm() -> Int32 {
        play {
            try EventLoop.run { try await EventLoop.shared.spawn {}.value }
            let before = openDescriptors()
            // Without a listener they are ignored: the storm goes on before the first and after the last one.
            signal(SIGUSR1, SIG_IGN)
            signal(SIGUSR2, SIG_IGN)
            let taken = try EventLoop.run {
                let senders = (0..<2).map { number in
                    EventLoop.spawn {
                        try await offload(to: .blocking) {
                            for _ in 0..<20_000 { kill(getpid(), number == 0 ? SIGUSR1 : SIGUSR2) }
                        }
                    }
                }
                let counts = try await gather(0..<3) { _ in
                    try await EventLoop.with {
                        var taken = 0
                        for _ in 0..<200 {
                            let sequence = try signals(.usr1, .usr2)
                            // The pipe's number is close to the eventfd's, and gets its number next.
                            let pipe = try pipePair()
                            raise(SIGUSR1)
                            for await _ in sequence {
                                taken += 1
                                break
                            }
                            guard pipe.isEmpty else { throw CancellationError() }
                            pipe.close()
                        }
                        return taken
                    }
                }
                for sender in senders { try await sender.value }
                return counts.reduce(0, +)
            }
            print("taken: \(taken), left: \(openDescriptors().subtracting(before).count), \(disposition(SIGUSR1))")
        }
    }

    private struct PipePair: Sendable {
        var ends: [Int32] = [-1, -1]
        /// Whether nobody has written to it.
        var isEmpty: Bool {
            var byte: UInt8 = 0
            return read(ends[0], &byte, 1) < 0 && errno == EAGAIN
        }
        func close() { for end in ends { Glibc.close(end) } }
    }

    private static func pipePair() throws -> PipePair {
        var pair = PipePair()
        guard pipe(&pair.ends) == 0 else { throw CancellationError() }
        for end in pair.ends { _ = fcntl(end, F_SETFL, O_NONBLOCK) }
        return pair
    }
}
