import Apus
import ApusTesting
import Foundation
import Glibc
import Synchronization

/// The command itself, as a child process: `apus` of the same build as the tests.
final class ApusProcess: Sendable {
    struct Failure: Error { var message: String }

    struct Outcome: Sendable {
        /// As a shell has it: 128 and the number for a process that was ended by a signal.
        var code: Int32
        var output: String
        var errors: String

        /// The lines of standard output.
        var lines: [String] { output.split(separator: "\n").map(String.init) }
    }

    let identifier: pid_t
    private let outputPath: String
    private let errorPath: String

    /// Beside the bundle of the tests, or the program that they are linked into.
    static let path: String = {
        let here = UInt(bitPattern: #dsohandle)
        let maps = (try? String(contentsOfFile: "/proc/self/maps", encoding: .utf8)) ?? ""
        for line in maps.split(separator: "\n") {
            let fields = line.split(separator: " ", maxSplits: 5, omittingEmptySubsequences: true)
            let range = fields[0].split(separator: "-").compactMap { UInt($0, radix: 16) }
            guard fields.count == 6, range.count == 2, (range[0]..<range[1]).contains(here) else { continue }
            let file = String(fields[5].drop { $0 == " " })
            return URL(filePath: file).deletingLastPathComponent().appending(path: "apus").path
        }
        return "apus"
    }()

    /// Starts it.
    ///
    /// - Parameters:
    ///   - input: for standard input; nil for an empty one.
    ///   - folder: where it works; its output goes to files there.
    ///   - environment: beside nothing else but PATH and HOME.
    ///   - blocks: the largest file that it may write, in units of 512 bytes.
    ///   - descriptors: how many it may have.
    convenience init(
        _ arguments: [String],
        input: [UInt8]? = nil,
        folder: String,
        environment: [String: String] = [:],
        blocks: Int? = nil,
        descriptors: Int? = nil
    ) throws {
        let limit = (blocks.map { "ulimit -S -f \($0); " } ?? "") + (descriptors.map { "ulimit -n \($0); " } ?? "")
        try self.init(
            script: "\(limit)exec \"$0\" \"$@\"",
            [Self.path] + arguments,
            input: input,
            folder: folder,
            environment: environment
        )
    }

    /// Starts a script of a shell.
    static func shell(_ script: String, _ words: [String], folder: String) throws -> ApusProcess {
        try ApusProcess(script: script, words, input: nil, folder: folder, environment: [:])
    }

    private init(
        script: String,
        _ words: [String],
        input: [UInt8]?,
        folder: String,
        environment: [String: String]
    ) throws {
        let name = "\(folder)/.run-\(UUID().uuidString)"
        (outputPath, errorPath) = (name + ".out", name + ".err")
        try Data(input ?? []).write(to: URL(filePath: name + ".in"))
        let words = ["/bin/sh", "-c", "cd \"$0\" && exec /bin/sh -c \"$@\"", folder, script] + words
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        let flags = O_WRONLY | O_CREAT | O_APPEND
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, name + ".in", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, outputPath, flags, 0o600)
        posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, errorPath, flags, 0o600)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var defaults = sigset_t()
        sigemptyset(&defaults)
        for signal in [SIGINT, SIGTERM, SIGHUP, SIGPIPE] { sigaddset(&defaults, signal) }
        posix_spawnattr_setsigdefault(&attributes, &defaults)
        var mask = sigset_t()
        sigemptyset(&mask)
        posix_spawnattr_setsigmask(&attributes, &mask)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK))
        var variables = ["PATH": "/usr/bin:/bin", "HOME": folder]
        variables.merge(environment) { $1 }
        var argv: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
        var envp: [UnsafeMutablePointer<CChar>?] = variables.map { strdup("\($0)=\($1)") } + [nil]
        defer { for pointer in argv + envp { free(pointer) } }
        var child: pid_t = 0
        let result = posix_spawn(&child, words[0], &actions, &attributes, &argv, &envp)
        guard result == 0 else {
            throw Failure(message: "cannot start \(words[0]): \(String(cString: strerror(result)))")
        }
        identifier = child
    }

    /// What it has written to standard error so far.
    var errors: String { Self.text(errorPath) }

    func send(_ signal: Int32) { kill(identifier, signal) }

    /// Sets the largest file that it may write from now on.
    func setLargestFile(bytes: Int, folder: String) async throws {
        // prlimit(2) is not to be had from Swift.
        let script = "exec prlimit --pid \"$0\" --fsize=\"$1\":"
        let outcome = try await Self.shell(script, ["\(identifier)", "\(bytes)"], folder: folder).wait()
        guard outcome.code == 0 else { throw Failure(message: outcome.errors) }
    }

    /// Waits for its end. Once.
    func wait() async throws -> Outcome {
        let identifier = identifier
        let status = try await offload { () -> Int32 in
            var status: Int32 = 0
            while waitpid(identifier, &status, 0) < 0, errno == EINTR {}
            return status
        }
        let signal = status & 0x7F
        return Outcome(
            code: signal == 0 ? (status >> 8) & 0xFF : 128 + signal,
            output: Self.text(outputPath),
            errors: Self.text(errorPath)
        )
    }

    private static func text(_ path: String) -> String {
        String(decoding: (try? Data(contentsOf: URL(filePath: path))) ?? Data(), as: UTF8.self)
    }
}

/// A folder and the command, for tests that run it.
struct FetchBench: Sendable {
    let folder: String

    /// Runs `apus fetch` in the folder.
    func fetch(
        _ arguments: String...,
        input: String? = nil,
        environment: [String: String] = [:],
        blocks: Int? = nil,
        descriptors: Int? = nil
    ) async throws -> ApusProcess.Outcome {
        let process = try ApusProcess(
            ["fetch"] + arguments,
            input: input.map { Array($0.utf8) },
            folder: folder,
            environment: environment,
            blocks: blocks,
            descriptors: descriptors
        )
        return try await process.wait()
    }

    /// The same, for those who send signals.
    func start(_ arguments: String..., input: String? = nil) throws -> ApusProcess {
        try ApusProcess(["fetch"] + arguments, input: input.map { Array($0.utf8) }, folder: folder)
    }

    func write(_ text: String, to name: String) throws {
        try Data(text.utf8).write(to: URL(filePath: "\(folder)/\(name)"))
    }

    func append(_ text: String, to name: String) throws {
        try Data(((read(name) ?? "") + text).utf8).write(to: URL(filePath: "\(folder)/\(name)"))
    }

    /// Nil if there is no such file.
    func read(_ name: String) -> String? {
        (try? Data(contentsOf: URL(filePath: "\(folder)/\(name)"))).map { String(decoding: $0, as: UTF8.self) }
    }

    /// The files below a folder, by their names there; hidden ones left out.
    func files(_ name: String) -> [String] {
        let root = "\(folder)/\(name)"
        let all = FileManager.default.enumerator(atPath: root)?.compactMap { $0 as? String } ?? []
        return all.filter { path in
            var isFolder: ObjCBool = false
            let exists = FileManager.default.fileExists(atPath: "\(root)/\(path)", isDirectory: &isFolder)
            return exists && !isFolder.boolValue && !path.hasPrefix(".")
        }
        .sorted()
    }

    func mode(_ name: String) -> UInt32 {
        var status = stat()
        return stat("\(folder)/\(name)", &status) == 0 ? status.st_mode & 0o777 : 0
    }

    /// The lines of a report, by the number of their item.
    func report(_ name: String) throws -> [ReportedLine] {
        let lines = (read(name) ?? "").split(separator: "\n")
        return try lines.map { try JSONDecoder().decode(ReportedLine.self, from: Data($0.utf8)) }.sorted { $0.n < $1.n }
    }
}

/// A line of `--report`, as somebody else's program reads it.
struct ReportedLine: Decodable, Sendable {
    var n: Int
    var outcome: String
    var url: String?
    var final_url: String?
    var status: Int?
    var bytes: Int
    var content_type: String?
    var attempts: Int
    var seconds: Double
    var timings: [String: Double]?
    var file: String?
    var sha256: String?
    var error: String?
    var message: String?
}

/// Runs `body` on a loop, with a folder of its own.
func withBench(_ body: @escaping @Sendable (FetchBench) async throws -> Void) async throws {
    try await withScratchFolder { path in
        let folder = path.hasSuffix("/") ? String(path.dropLast()) : path
        try await withTestLoop { try await body(FetchBench(folder: folder)) }
    }
}

/// Runs `body` with a server that says each request's path, and with its counts of them.
func withCountingServer(_ body: (_ server: TestServer, _ counter: Counter) async throws -> Void) async throws {
    let counter = Counter()
    try await TestServer.with({ request in
        counter.add(request.path)
        return .text(request.path)
    }) { server in
        try await body(server, counter)
    }
}

/// Counts, from any task.
final class Counter: Sendable {
    private struct State {
        var current = 0
        var total = 0
        var peak = 0
        var names: [String: Int] = [:]
    }

    private let state = Mutex(State())

    var total: Int { state.withLock { $0.total } }
    var peak: Int { state.withLock { $0.peak } }
    /// How often each name came.
    var names: [String: Int] { state.withLock { $0.names } }

    @discardableResult
    func add(_ name: String = "") -> Int {
        state.withLock { state in
            state.total += 1
            state.current += 1
            state.peak = max(state.peak, state.current)
            state.names[name, default: 0] += 1
            return state.total
        }
    }

    func forget() { state.withLock { $0 = State() } }

    func leave() { state.withLock { $0.current -= 1 } }
}
