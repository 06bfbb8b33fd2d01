import Apus
import Glibc
import Synchronization

/// Standard output and standard error of a run, with a few lines at the bottom of the terminal that are drawn over again and again.
///
/// Whatever is written goes through here, in order and on one thread that may wait for a slow terminal while the loop goes on. Each frame,
/// and each batch of lines above it, is one write, so that nothing flickers or tears. The cursor is always left below the frame, at the
/// beginning of a line, and no mode of the terminal is changed: a process that is killed leaves nothing to mend.
final class Console: Sendable {
    enum Target: Sendable {
        case output
        case error
    }

    /// Writes all of the bytes to a descriptor.
    typealias Write = @Sendable (_ bytes: [UInt8], _ descriptor: Int32) throws -> Void

    private struct Screen {
        /// What stands at the bottom, and how wide.
        var frame: [StyledLine] = []
        var columns = 0
        var isClosed = false
        /// Standard output takes no more. Whoever writes to it next is told, too.
        var failure: OutputError?
    }

    private static let pool = OffloadPool(name: "terminal", maximumThreads: 1)

    let output: Terminal
    let error: Terminal
    private let areSame: Bool
    private let write: Write
    /// Held while something is written.
    private let screen = Mutex(Screen())
    /// Lines that the next turn of the thread writes. Each has somebody who waits for it.
    private let waiting = Mutex<[(target: Target, bytes: [UInt8])]>([])

    /// - Parameter areSame: whether both lead to one terminal.
    init(output: Terminal, error: Terminal, areSame: Bool, write: @escaping Write = Output.writeWhileWanted) {
        self.output = output
        self.error = error
        self.areSame = areSame
        self.write = write
    }

    convenience init() {
        self.init(
            output: Terminal(STDOUT_FILENO),
            error: Terminal(STDERR_FILENO),
            areSame: Terminal.areSame(STDOUT_FILENO, STDERR_FILENO)
        )
    }

    /// Writes whole lines, above the frame if there is one.
    ///
    /// - Throws: ``OutputError`` for standard output, `CancellationError`.
    ///
    /// Cancel safety: the lines are written with the next ones, or by ``close()``.
    func print(_ lines: [UInt8], to target: Target) async throws {
        guard !lines.isEmpty else { return }
        waiting.withLock { $0.append((target, lines)) }
        // Those that have come meanwhile are written in one go.
        let failure = try await offload(to: Self.pool) { [self] in
            screen.withLock {
                flush(&$0)
                return $0.failure
            }
        }
        if target == .output, let failure { throw failure }
    }

    /// Shows these lines in place of those of the last time.
    ///
    /// Cancel safety: the frame is not drawn, or is drawn to its end.
    func draw(_ frame: [StyledLine]) async {
        _ = try? await offload(to: Self.pool) { [self] in
            screen.withLock { screen in
                flush(&screen)
                guard !screen.isClosed, error.isOurs else { return }
                let size = error.size
                var text = goUp(screen, size)
                if screen.columns != size.columns { text += "\u{1B}[J" }
                screen.frame = fitted(frame, size)
                screen.columns = size.columns
                text += shown(screen.frame)
                // What is left of a frame with more lines.
                put(Array((text + "\u{1B}[J").utf8), error.descriptor, &screen)
            }
        }
    }

    /// As if nothing was drawn: what stands there belongs to somebody else by now.
    func forgetFrame() { screen.withLock { $0.frame = [] } }

    /// Takes the frame away, and draws no other. Waits for what is being written.
    func close() {
        screen.withLock { screen in
            flush(&screen)
            screen.isClosed = true
            guard !screen.frame.isEmpty else { return }
            let text = goUp(screen, error.size) + "\u{1B}[J"
            screen.frame = []
            put(Array(text.utf8), error.descriptor, &screen)
        }
    }

    /// Writes whole lines when nothing else goes on any more: it waits for the terminal.
    func printAtLast(_ text: String, to target: Target) {
        screen.withLock { screen in
            flush(&screen)
            let terminal = target == .error ? error : output
            put(suited(Array(text.utf8), to: terminal), terminal.descriptor, &screen)
        }
    }

    // MARK: With the lock, on the thread

    private func flush(_ screen: inout Screen) {
        let lines = waiting.withLock { lines in
            defer { lines = [] }
            return lines
        }
        guard !lines.isEmpty else { return }
        var above: [UInt8] = []
        for (target, bytes) in lines {
            let isAbove = !screen.frame.isEmpty && (target == .error || areSame)
            if isAbove {
                above += suited(bytes, to: error)
            } else {
                let terminal = target == .error ? error : output
                put(suited(bytes, to: terminal), terminal.descriptor, &screen)
            }
        }
        guard !above.isEmpty else { return }
        let size = error.size
        let text = Array((goUp(screen, size) + "\u{1B}[J").utf8) + above + Array(shown(screen.frame).utf8)
        put(text, error.descriptor, &screen)
    }

    private func put(_ bytes: [UInt8], _ descriptor: Int32, _ screen: inout Screen) {
        do {
            try write(bytes, descriptor)
        } catch let failure as OutputError {
            // Of standard error nobody could be told.
            if descriptor == output.descriptor { screen.failure = failure }
        } catch {}
    }

    /// To the first column of the frame's first line.
    private func goUp(_ screen: Screen, _ size: (columns: Int, rows: Int)) -> String {
        guard !screen.frame.isEmpty else { return "" }
        // A terminal that has become narrower has broken the lines that did not fit any more.
        let rows = screen.frame.reduce(0) { rows, line in
            rows + max(1, (TerminalText.columns(of: line.text) + size.columns - 1) / size.columns)
        }
        return "\r\u{1B}[\(min(rows, max(1, size.rows - 1)))A"
    }

    private func fitted(_ frame: [StyledLine], _ size: (columns: Int, rows: Int)) -> [StyledLine] {
        // A row for the cursor. And the last column stays free: some terminals go to the next line as soon as it is written to.
        StyledLine.fitted(Array(frame.prefix(max(0, size.rows - 1))), to: max(1, size.columns - 1))
    }

    private func shown(_ frame: [StyledLine]) -> String {
        frame.map { line in
            let text = line.rendered(isStyled: error.isStyled)
            return (error.isUTF8 ? text : TerminalText.ascii(text)) + "\u{1B}[K\n"
        }
        .joined()
    }

    private func suited(_ bytes: [UInt8], to terminal: Terminal) -> [UInt8] {
        guard !terminal.isUTF8, terminal.isTerminal else { return bytes }
        return Array(TerminalText.ascii(String(decoding: bytes, as: UTF8.self)).utf8)
    }
}
