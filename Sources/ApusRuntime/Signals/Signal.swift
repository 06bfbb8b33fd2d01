import Glibc

/// A signal of the system, by its number: see signal(7).
public struct Signal: Hashable, Sendable, CustomStringConvertible {
    /// The system's number.
    public let number: Int32

    /// A signal without a name here, such as `Signal(SIGRTMIN + 1)`.
    public init(_ number: Int32) { self.number = number }

    /// SIGHUP: the terminal is gone; servers read their configuration again.
    public static let hup = Signal(SIGHUP)
    /// SIGINT: Ctrl-C.
    public static let int = Signal(SIGINT)
    /// SIGQUIT: Ctrl-\.
    public static let quit = Signal(SIGQUIT)
    /// SIGABRT: abort(3), which ends the process all the same.
    public static let abrt = Signal(SIGABRT)
    /// SIGKILL, which cannot be caught.
    public static let kill = Signal(SIGKILL)
    /// SIGUSR1.
    public static let usr1 = Signal(SIGUSR1)
    /// SIGUSR2.
    public static let usr2 = Signal(SIGUSR2)
    /// SIGPIPE: a write to a pipe that nobody reads. Apus ignores it: the write fails with EPIPE.
    public static let pipe = Signal(SIGPIPE)
    /// SIGALRM: alarm(2), setitimer(2).
    public static let alrm = Signal(SIGALRM)
    /// SIGTERM: please end; what service managers and containers send first.
    public static let term = Signal(SIGTERM)
    /// SIGCHLD: a child process has ended or stopped.
    public static let chld = Signal(SIGCHLD)
    /// SIGCONT: the process goes on after it was stopped.
    public static let cont = Signal(SIGCONT)
    /// SIGSTOP, which cannot be caught.
    public static let stop = Signal(SIGSTOP)
    /// SIGTSTP: Ctrl-Z.
    public static let tstp = Signal(SIGTSTP)
    /// SIGTTIN: a background process reads from the terminal.
    public static let ttin = Signal(SIGTTIN)
    /// SIGTTOU: a background process writes to the terminal.
    public static let ttou = Signal(SIGTTOU)
    /// SIGWINCH: the terminal's window has another size.
    public static let winch = Signal(SIGWINCH)

    private static let names: [Int32: String] = [
        SIGHUP: "SIGHUP", SIGINT: "SIGINT", SIGQUIT: "SIGQUIT", SIGILL: "SIGILL", SIGTRAP: "SIGTRAP",
        SIGABRT: "SIGABRT",
        SIGBUS: "SIGBUS", SIGFPE: "SIGFPE", SIGKILL: "SIGKILL", SIGUSR1: "SIGUSR1", SIGSEGV: "SIGSEGV",
        SIGUSR2: "SIGUSR2",
        SIGPIPE: "SIGPIPE", SIGALRM: "SIGALRM", SIGTERM: "SIGTERM", SIGSTKFLT: "SIGSTKFLT", SIGCHLD: "SIGCHLD",
        SIGCONT: "SIGCONT", SIGSTOP: "SIGSTOP", SIGTSTP: "SIGTSTP", SIGTTIN: "SIGTTIN", SIGTTOU: "SIGTTOU",
        SIGURG: "SIGURG", SIGXCPU: "SIGXCPU", SIGXFSZ: "SIGXFSZ", SIGVTALRM: "SIGVTALRM", SIGPROF: "SIGPROF",
        SIGWINCH: "SIGWINCH", SIGIO: "SIGIO", SIGPWR: "SIGPWR", SIGSYS: "SIGSYS",
    ]

    /// The name as in signal.h, such as “SIGTERM”, or “signal 35”.
    public var description: String { Self.names[number] ?? "signal \(number)" }

    /// Throws if no program may, or this one should not, wait for the signal.
    func checkCatchable() throws(LoopError) {
        switch number {
        case 1...64 where number == SIGKILL || number == SIGSTOP:
            throw LoopError(.invalidArgument, "\(self) cannot be caught: the system ends or stops the process itself.")
        case SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP:
            throw LoopError(
                .invalidArgument,
                "\(self) cannot be waited for: it comes from the instruction that has just failed, which would fail for ever."
            )
        case 1...64: return
        default:
            throw LoopError(.invalidArgument, "\(number) is not the number of a signal: they go from 1 to 64.")
        }
    }
}
