import Foundation

/// What a target may import: its own packages and modules of ours, and what comes with the toolchain.
struct ImportRule {
    var target: String
    var allowed: Set<String>
}

/// The rules of the architecture, each as a function from files to offences, so that it can be shown a bad sample.
enum Rules {
    /// The table of `docs/DESIGN.md`: imports go only downward.
    static let imports: [ImportRule] = [
        ImportRule(target: "ApusWire", allowed: ["HTTPTypes"]),
        ImportRule(
            target: "ApusRuntime",
            allowed: [
                "CApus", "DequeModule", "HeapModule", "Logging", "CoreMetrics", "Synchronization", "Runtime", "Glibc",
                // Its SPI, for whole-process mode.
                "_Concurrency",
            ]
        ),
        ImportRule(
            target: "ApusNet",
            allowed: ["ApusRuntime", "CApus", "COpenSSL", "DequeModule", "Logging", "Synchronization", "Glibc"]
        ),
        ImportRule(
            target: "ApusHTTPClient",
            allowed: [
                "ApusNet", "ApusRuntime", "ApusWire", "DequeModule", "HeapModule", "HTTPTypes", "Logging",
                "Synchronization",
                // For whoever watches.
                "CoreMetrics", "Tracing",
                // For decompression; dlopen, iconv and files.
                "CZlib", "Glibc",
                // For JSON.
                "Foundation", "FoundationEssentials",
            ]
        ),
        ImportRule(
            target: "ApusHTTPServer",
            allowed: [
                "ApusNet", "ApusRuntime", "ApusWire", "DequeModule", "HTTPTypes", "Logging", "Synchronization",
                // For the Date field.
                "Glibc",
            ]
        ),
        ImportRule(
            target: "ApusTesting",
            allowed: [
                "ApusHTTPClient", "ApusHTTPServer", "ApusNet", "ApusRuntime", "ApusWire", "HTTPTypes", "Logging",
                "Synchronization", "Glibc",
                // For certificates.
                "COpenSSL",
            ]
        ),
        ImportRule(
            target: "Apus",
            allowed: ["ApusHTTPClient", "ApusHTTPServer", "ApusNet", "ApusRuntime", "ApusWire", "HTTPTypes"]
        ),
        ImportRule(
            target: "ApusCLI",
            allowed: [
                "Apus", "ArgumentParser", "COpenSSL", "DequeModule", "Foundation", "FoundationEssentials", "Glibc",
                "HTTPTypes", "HeapModule", "Logging", "Synchronization",
            ]
        ),
    ]

    /// Files that may make system calls: everything else goes through them.
    static let systemFiles: Set<String> = [
        "Sources/ApusRuntime/Diagnostics/BlockMonitor.swift",
        "Sources/ApusRuntime/Diagnostics/StackSampler.swift",
        "Sources/ApusRuntime/Diagnostics/Symbolicator.swift",
        "Sources/ApusRuntime/Diagnostics/ThreadActivity.swift",
        "Sources/ApusRuntime/Diagnostics/Turn.swift",
        "Sources/ApusRuntime/Loop/EpollSelector.swift",
        "Sources/ApusRuntime/Loop/EventLoop+Descriptors.swift",  // EPERM
        "Sources/ApusRuntime/Loop/EventLoop+Entry.swift",  // getpid
        "Sources/ApusRuntime/Loop/EventLoop+Handles.swift",  // EPERM, EEXIST
        "Sources/ApusRuntime/Loop/EventLoop+Options.swift",  // getenv
        "Sources/ApusRuntime/Loop/LoopError.swift",  // strerror
        "Sources/ApusRuntime/Loop/MainQueue.swift",
        "Sources/ApusRuntime/Loop/SharedLoop.swift",  // poll
        "Sources/ApusRuntime/Loop/Thread.swift",
        "Sources/ApusRuntime/Offload/ThreadPool.swift",
        "Sources/ApusRuntime/Tasks/BlockingEnd.swift",
        "Sources/ApusRuntime/Signals/Interrupt.swift",
        "Sources/ApusRuntime/Signals/Signal.swift",  // the numbers
        "Sources/ApusRuntime/Signals/SignalListener.swift",
        "Sources/ApusRuntime/WholeProcess/WholeProcess.swift",  // getpid
        "Sources/ApusNet/Connector.swift",
        "Sources/ApusNet/NetError.swift",
        "Sources/ApusNet/DNS/SystemQuery.swift",
        "Sources/ApusNet/Datagrams/DatagramCalls.swift",
        "Sources/ApusNet/Datagrams/DatagramCore.swift",  // errno values
        "Sources/ApusNet/Listeners/BoundSockets.swift",  // EAFNOSUPPORT
        "Sources/ApusNet/Listeners/SocketFile.swift",
        "Sources/ApusNet/Pipes/PipeCalls.swift",
        "Sources/ApusNet/Pipes/PipeTransport.swift",  // EAGAIN
        "Sources/ApusNet/Streams/SourceFile.swift",
        "Sources/ApusNet/TLS/OpenSSLTrust.swift",  // opendir
        "Sources/ApusNet/TLS/TLSFiles.swift",
        "Sources/ApusNet/TLS/TLSKeyLog.swift",
        "Sources/ApusNet/Socket.swift",
        "Sources/ApusNet/SocketAddress.swift",
        "Sources/ApusNet/SocketTransport.swift",
        "Sources/ApusHTTPClient/Cookies/CookieSystem.swift",  // the time, and files
        "Sources/ApusHTTPClient/Authentication/NetrcFile.swift",  // permissions
        "Sources/ApusHTTPClient/Decoding/SystemLibrary.swift",  // dlopen
        "Sources/ApusHTTPClient/Decoding/TextConverter.swift",  // iconv
        "Sources/ApusHTTPClient/Proxy/ProcessEnvironment.swift",  // getenv
        "Sources/ApusHTTPClient/Middleware/Cache/CacheFolder.swift",
        "Sources/ApusHTTPClient/Middleware/WallClock.swift",  // time
        "Sources/ApusHTTPClient/Response/OutputFile.swift",
        "Sources/ApusHTTPServer/HTTPDate.swift",
        "Sources/ApusTesting/LeakCheck.swift",
        "Sources/ApusTesting/PseudoTerminal.swift",
    ]

    /// Words of one system's selector, which stay in the file of that backend.
    static func selectorWords(
        _ files: [SourceFile],
        in backend: String = "Sources/ApusRuntime/Loop/EpollSelector.swift"
    )
        -> [Offence]
    {
        let pattern = /(?i)epoll|kqueue|io_uring/
        return files.filter { $0.path != backend }.flatMap { file in
            file.code.compactMap { number, text in
                guard has(text.lowercased(), ["epoll", "kqueue", "io_uring"]) else { return nil }
                return withoutStrings(text).firstMatch(of: pattern).map {
                    Offence(path: file.path, line: number, what: "“\($0.0)”")
                }
            }
        }
    }

    static let maximumLines = 500

    /// Files with an unwrapping that cannot fail.
    static let certainFiles: Set<String> = [
        "Sources/ApusHTTPClient/Exchange/HostRecord.swift",  // a constant field name
        "Sources/ApusRuntime/Diagnostics/Symbolicator.swift",  // what pthread_create was given
        "Sources/ApusRuntime/Diagnostics/ThreadActivity.swift",  // a buffer that is not empty
        "Sources/ApusRuntime/Diagnostics/Watchdog.swift",  // what pthread_create was given
    ]

    /// `import X`, `public import X`, `@testable import X`, `import struct X.Y`.
    static func importedModule(_ line: String) -> String? {
        guard has(line, ["import"]) else { return nil }
        let pattern =
            /^\s*(?:@[\w()]+\s+)*(?:(?:public|package|internal|fileprivate|private)\s+)?import\s+(?:(?:class|enum|func|let|protocol|struct|typealias|var)\s+)?(\w+)/
        return line.firstMatch(of: pattern).map { String($0.1) }
    }

    static func wrongImports(_ files: [SourceFile], _ rules: [ImportRule] = imports) -> [Offence] {
        files.flatMap { file -> [Offence] in
            let allowed = rules.first { $0.target == file.target }?.allowed
            return file.code.compactMap { number, text in
                guard let module = importedModule(text) else { return nil }
                guard let allowed else {
                    return Offence(
                        path: file.path,
                        line: number,
                        what: "target \(file.target) is not in the import table"
                    )
                }
                return allowed.contains(module)
                    ? nil : Offence(path: file.path, line: number, what: "\(file.target) may not import \(module)")
            }
        }
    }

    /// The pure target knows no concurrency, no clock, no system and no Foundation: not even in words.
    static func impureWords(_ files: [SourceFile]) -> [Offence] {
        let words = [/\basync\b/, /\bawait\b/, /\bTask\b/, /\.now\b/, /\bGlibc\b/, /\bFoundation\w*\b/]
        let parts = ["async", "await", "Task", ".now", "Glibc", "Foundation"]
        return files.flatMap { file in
            file.lines.enumerated().flatMap { index, line -> [Offence] in
                guard has(line, parts) else { return [] }
                return words.compactMap { word in
                    line.firstMatch(of: word).map { Offence(path: file.path, line: index + 1, what: "“\($0.0)”") }
                }
            }
        }
    }

    static func systemCalls(_ files: [SourceFile], allowed: Set<String> = systemFiles) -> [Offence] {
        files.filter { !allowed.contains($0.path) }.flatMap { file in
            file.code.filter { importedModule($0.text).map { ["Glibc", "Musl"].contains($0) } == true }
                .map { Offence(path: file.path, line: $0.number, what: "imports the system, and is not in the list") }
        }
    }

    /// Unstructured tasks start in one file.
    static func bareTasks(_ files: [SourceFile], allowed: String = "Sources/ApusRuntime/Tasks/Spawn.swift") -> [Offence]
    {
        let pattern = /\bTask(\s*\{|\s*\(|\.detached\b|\.immediate\w*\b|\.startSynchronously\b)/
        return files.filter { $0.path != allowed }.flatMap { file -> [Offence] in
            file.code.compactMap { number, text -> Offence? in
                guard has(text, ["Task"]) else { return nil }
                guard let match = withoutStrings(text).firstMatch(of: pattern) else { return nil }
                return Offence(path: file.path, line: number, what: "starts a task: “\(match.0)”")
            }
        }
    }

    static func tooLong(_ files: [SourceFile]) -> [Offence] {
        files.compactMap { file in
            let count = file.text.split(separator: "\n", omittingEmptySubsequences: false).count - 1
            return count > maximumLines
                ? Offence(path: file.path, line: count, what: "more than \(maximumLines) lines") : nil
        }
    }

    /// What the compiler cannot check carries its reason, in a comment on the line or close above it.
    static func unexplainedUnsafety(_ files: [SourceFile]) -> [Offence] {
        let pattern = /@unchecked|nonisolated\(unsafe\)|unowned\(unsafe\)|unsafeBitCast|unsafeDowncast|@preconcurrency/
        return files.flatMap { file -> [Offence] in
            let lines = file.lines
            return file.code.compactMap { number, text -> Offence? in
                guard has(text, ["@unchecked", "unsafe", "@preconcurrency"]), let match = text.firstMatch(of: pattern)
                else { return nil }
                let near = lines[max(0, number - 9)..<number]
                return near.contains { $0.contains("//") }
                    ? nil : Offence(path: file.path, line: number, what: "“\(match.0)” without a comment that says why")
            }
        }
    }

    /// A library does not end its user's process. Preconditions with a message are for defects of ours.
    static func crashes(_ files: [SourceFile], allowed: Set<String> = certainFiles) -> [Offence] {
        let pattern = /\bfatalError\(|\btry!|\bas!|\bexit\(|[\w\)\]]!(?!=)(?=[\s\.,\)\]\(\[;:?]|$)/
        return files.filter { !allowed.contains($0.path) }.flatMap { file -> [Offence] in
            file.code.compactMap { number, text -> Offence? in
                guard has(text, ["!", "fatalError(", "exit("]) else { return nil }
                guard let match = withoutStrings(text).firstMatch(of: pattern) else { return nil }
                return Offence(path: file.path, line: number, what: "“\(match.0)”")
            }
        }
    }

    /// Paths of somebody's machine, which mean nothing on another.
    static func machinePaths(_ files: [SourceFile]) throws -> [Offence] {
        // In pieces, so that this file does not mention them.
        let folders = ["work", "home/[a-z]\\w*", "Users/\\w+", "root"]
        let parts = folders.map { "/" + $0.prefix(while: \.isLetter) }
        let pattern = try Regex("(?:^|[^\\w.@$})\\]])/(?:" + folders.joined(separator: "|") + ")/")
        return try files.flatMap { file -> [Offence] in
            try file.lines.enumerated().compactMap { index, line -> Offence? in
                guard has(line, parts) else { return nil }
                guard let match = try pattern.firstMatch(in: line) else { return nil }
                return Offence(path: file.path, line: index + 1, what: "“\(line[match.range])”")
            }
        }
    }

    /// Whether a line has a part that every match of a pattern has: to find nothing, the pattern itself takes a hundred times as long.
    private static func has(_ line: some StringProtocol, _ parts: [String]) -> Bool {
        parts.contains { line.contains($0) }
    }

    /// The line with its string literals emptied, interpolations and all.
    static func withoutStrings(_ line: String) -> String {
        var result = ""
        var isInside = false
        var previous: Character = " "
        for character in line {
            if character == "\"", previous != "\\" { isInside.toggle() }
            if !isInside || character == "\"" { result.append(character) }
            previous = character
        }
        return result
    }
}
