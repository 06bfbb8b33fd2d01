import CApus
import Glibc

/// What the kernel says of a thread in /proc/self/task/TID/syscall.
enum ThreadActivity: Equatable {
    case running
    case waiting(Place)
    /// The file is missing or says something else (a sandbox, an unusual kernel).
    case unknown

    /// Where a thread waits in the kernel.
    struct Place: Equatable {
        /// nil: not in a system call, so in a page fault.
        var call: Int?
        /// The call's arguments: with them, "the same call" means more than the same number.
        var arguments: [UInt]
        var sp: UInt
        var pc: UInt

        var state: BlockReport.ThreadState {
            guard let call else { return .pageFault }
            return .systemCall(apus_bt_syscall_name(call).map { String(cString: $0) } ?? "#\(call)")
        }
    }

    /// "running", "-1 sp pc", or "number six-arguments sp pc".
    init(line: String) {
        let words = line.split(whereSeparator: \.isWhitespace)
        self = .unknown
        if words.first == "running" {
            self = .running
        } else if let call = words.first.flatMap({ Int($0) }) {
            let values = words.dropFirst().compactMap { $0.hasPrefix("0x") ? UInt($0.dropFirst(2), radix: 16) : nil }
            guard values.count == words.count - 1, values.count == (call < 0 ? 2 : 8) else { return }
            self = .waiting(
                Place(
                    call: call < 0 ? nil : call,
                    arguments: Array(values.dropLast(2)),
                    sp: values[values.count - 2],
                    pc: values[values.count - 1]
                )
            )
        }
    }

    /// The thread's files, open for the time of one sample: reading an open one is the shortest way to a fresh answer.
    struct Source {
        let descriptor: Int32
        private let status: Int32

        init?(thread: Int32) {
            descriptor = open("/proc/self/task/\(thread)/syscall", O_RDONLY | O_CLOEXEC)
            guard descriptor >= 0 else { return nil }
            status = open("/proc/self/task/\(thread)/status", O_RDONLY | O_CLOEXEC)
        }

        func close() {
            Glibc.close(descriptor)
            if status >= 0 { Glibc.close(status) }
        }

        func read() -> ThreadActivity {
            ThreadActivity(line: ProcFile.text(of: descriptor))
        }

        /// How often the thread has gone to sleep. Equal before and after: it has not run in between, so that its stack
        /// is as it was, and a loop around one short call cannot pass for one long call.
        func contextSwitches() -> UInt64? {
            value(of: "voluntary_ctxt_switches:").flatMap { UInt64($0) }
        }

        func blocks(signal number: Int32) -> Bool {
            guard let mask = value(of: "SigBlk:").flatMap({ UInt64($0, radix: 16) }) else { return false }
            return mask >> UInt64(number - 1) & 1 == 1
        }

        private func value(of key: String) -> Substring? {
            guard status >= 0 else { return nil }
            let line = ProcFile.text(of: status).split(separator: "\n").first { $0.hasPrefix(key) }
            return line?.split(whereSeparator: \.isWhitespace).last
        }
    }
}

/// The whole text of a file under /proc.
enum ProcFile {
    static func text(of descriptor: Int32) -> String {
        var bytes = [UInt8](repeating: 0, count: 4096)
        var length = 0
        while true {
            let count = bytes.withUnsafeMutableBytes {
                pread(descriptor, $0.baseAddress! + length, $0.count - length, off_t(length))
            }
            guard count > 0 else { break }
            length += count
            if length == bytes.count { bytes += [UInt8](repeating: 0, count: length) }
        }
        return String(decoding: bytes.prefix(length), as: UTF8.self)
    }

    static func text(at path: String) -> String {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return "" }
        defer { close(descriptor) }
        return text(of: descriptor)
    }
}
