import CApus

/// A task as the Swift runtime keeps it: read from its memory, since the runtime has no calls for that.
///
/// Only where the runtime says that it lays tasks out as this file knows (`_swift_concurrency_debug_internal_layout_version`, which is made
/// for debuggers). Every read may fail: a child that ends on another thread just now is gone, and must not take the program with it.
struct TaskMemory {
    /// Why tasks cannot be read; nil if they can.
    static let unavailableReason: String? = {
        guard MemoryLayout<UInt>.size == 8 else { return "tasks are laid out otherwise on 32-bit systems" }
        guard runtime.layout_version >= 0 else { return "this Swift runtime does not say how it lays out tasks" }
        guard runtime.layout_version == Layout.version, runtime.task_size == Layout.size, runtime.task_metadata != 0,
            !runtime.escalates
        else {
            return
                "this Swift runtime lays out tasks in a way (version \(runtime.layout_version), \(runtime.task_size) bytes) that "
                + "Apus does not know"
        }
        return nil
    }()

    private static let runtime = apus_bt_task_runtime()

    /// Swift 6.3: offsets in bytes.
    private enum Layout {
        static let version: Int64 = 1
        static let size = 208
        static let flags = 32
        static let lowID = 36
        static let resumeFunction = 56
        static let resumeContext = 64
        static let statusFlags = 96
        static let statusRecord = 104
        static let highID = 144
        /// Behind the task, if it is somebody's child.
        static let parent = 208
        static let nextSibling = 216
        static let sizeWithFamily = 224
    }

    /// What a task has registered with itself.
    private enum RecordKind: UInt {
        case dependency = 0
        case child = 1
        case group = 2
        case name = 6
    }

    private enum Flag {
        static let isChild: UInt32 = 1 << 24
        static let isCancelled: UInt32 = 0x100
        static let isRunning: UInt32 = 0x800
        static let isEnqueued: UInt32 = 0x1000
        static let isComplete: UInt32 = 0x2000
    }

    /// Chains that are longer are no chains, but memory that was reused.
    private static let maximumRecords = 256
    private static let maximumNameLength = 256

    let address: UInt
    private let bytes: [UInt8]
    private let memory: MemoryCopy

    /// Nil if there is no task at `address` any more.
    init?(at address: UInt, in memory: MemoryCopy) {
        guard Self.unavailableReason == nil, address != 0, address % 16 == 0 else { return nil }
        bytes = memory.bytes(at: address, count: Layout.sizeWithFamily)
        self.address = address
        self.memory = memory
        guard bytes.count >= Layout.size, word(0) == Self.runtime.task_metadata, flags & 0xFF == 0 else { return nil }
    }

    private func word(_ offset: Int) -> UInt {
        bytes.withUnsafeBytes { $0.load(fromByteOffset: offset, as: UInt.self) }
    }
    private func half(_ offset: Int) -> UInt32 {
        bytes.withUnsafeBytes { $0.load(fromByteOffset: offset, as: UInt32.self) }
    }

    private var flags: UInt32 { half(Layout.flags) }
    private var status: UInt32 { half(Layout.statusFlags) }
    private var isChild: Bool { flags & Flag.isChild != 0 && bytes.count == Layout.sizeWithFamily }

    var id: UInt64 { UInt64(half(Layout.highID)) << 32 | UInt64(half(Layout.lowID)) }
    var isCancelled: Bool { status & Flag.isCancelled != 0 }
    var isRunning: Bool { status & Flag.isRunning != 0 }
    var isEnqueued: Bool { status & Flag.isEnqueued != 0 }
    var isComplete: Bool { status & Flag.isComplete != 0 }
    private var parentAddress: UInt? { isChild ? word(Layout.parent) : nil }
    private var nextSibling: UInt { word(Layout.nextSibling) }

    /// Where it goes on. Of a task that does not run.
    var suspension: CallTrace {
        .suspended(at: word(Layout.resumeFunction), context: word(Layout.resumeContext), in: memory)
    }

    /// What its records say.
    struct Records {
        var name: String?
        /// The task that it awaits.
        var awaited: UInt?
        var awaitsGroup = false
        var children: [TaskMemory] = []
    }

    func records() -> Records {
        var result = Records()
        var next = word(Layout.statusRecord)
        for _ in 0..<Self.maximumRecords where next != 0 {
            guard let record = memory.words(at: next, count: 5) else { break }
            switch RecordKind(rawValue: record[0] & 0xFF) {
            case .dependency:
                // 1: a task, 2: a continuation, 3: a group. What it is takes two words.
                if record[4] & 0xFFFF_FFFF == 1 { result.awaited = record[2] }
                if record[4] & 0xFFFF_FFFF == 3 { result.awaitsGroup = true }
            case .child, .group: addChildren(from: record[2], to: &result.children)
            case .name: result.name = text(at: record[2])
            case nil: break
            }
            next = record[1]
        }
        return result
    }

    /// Children that have ended, and whose value nobody has taken, are none.
    private func addChildren(from first: UInt, to children: inout [TaskMemory]) {
        var seen: Set<UInt> = []
        var next = first
        while next != 0, seen.insert(next).inserted, let child = TaskMemory(at: next, in: memory),
            child.parentAddress == address
        {
            if !child.isComplete { children.append(child) }
            next = child.nextSibling
        }
    }

    private func text(at address: UInt) -> String? {
        let bytes = memory.bytes(at: address, count: Self.maximumNameLength).prefix { $0 != 0 }
        return bytes.isEmpty ? nil : String(decoding: bytes, as: UTF8.self)
    }
}
