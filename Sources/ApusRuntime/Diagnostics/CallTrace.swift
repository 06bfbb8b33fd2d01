import CApus

/// Where in the program something is or was: the calls that led there, innermost first, asynchronous ones included.
///
/// Only addresses are kept. Names and lines are looked up when somebody asks, in the program's debug information: that may take a
/// second for a large program the first time, so ask on a thread that has it.
public struct CallTrace: Sendable, Hashable, CustomStringConvertible {
    private static let limit = 32

    /// Each is behind the call that it stands for, as return addresses are.
    let addresses: [UInt]

    init(addresses: [UInt]) { self.addresses = addresses }

    /// The calls that led here.
    package static func here() -> CallTrace {
        CallTrace(
            addresses: [UInt](unsafeUninitializedCapacity: limit) { buffer, count in
                count = apus_bt_call_trace(buffer.baseAddress, buffer.count)
            }
        )
    }

    /// Where a task goes on that was started there.
    func followed(by caller: CallTrace) -> CallTrace { CallTrace(addresses: addresses + caller.addresses) }

    /// Where a task goes on that is suspended.
    ///
    /// - Parameters:
    ///   - function: what it resumes with.
    ///   - context: of that function.
    ///   - memory: where the contexts are read.
    static func suspended(at function: UInt, context: UInt, in memory: MemoryCopy) -> CallTrace {
        // A function to go on in begins here, where a return address would be behind a call: one more makes them alike.
        var addresses = [function &+ 1]
        var next = context
        while addresses.count < limit, next != 0, let words = memory.words(at: next, count: 2), memory.isCode(words[1])
        {
            addresses.append(words[1] + 1)
            if words[0] == next { break }
            next = words[0]
        }
        return CallTrace(addresses: addresses)
    }

    /// The calls with their names and, where there is debug information, lines.
    public var frames: [BlockReport.Frame] { SymbolCache.frames(for: addresses) }

    /// The innermost call in the program's own code: the line to look at. Nil if there is none.
    public var place: BlockReport.Frame? {
        let frames = frames
        return frames.first { !$0.isInternal && $0.line != nil } ?? frames.first { !$0.isInternal }
    }

    /// The place in one line: "load(_:) at Sources/App/Loader.swift:12".
    public var description: String { place?.place ?? "an unknown place" }
}

/// What addresses were found to be: reports name the same few again and again.
private enum SymbolCache {
    /// A program has no more places than this that start tasks and open files; one that has begins anew.
    private static let limit = 4096
    private static let known = ForkSafeLock<[UInt: [BlockReport.Frame]]>([:])

    static func frames(for addresses: [UInt]) -> [BlockReport.Frame] {
        add(addresses)
        return known.withLock { known in addresses.flatMap { known[$0] ?? [] } }
    }

    static func add(_ addresses: [UInt]) {
        let missing = known.withLock { known in Set(addresses).filter { known[$0] == nil } }
        guard let first = missing.min() else { return }
        // The first one would be taken for a program counter, which none of these is.
        var found = Dictionary(grouping: Symbolicator.frames(for: [first - 1] + missing.sorted()), by: \.address)
        known.withLock { known in
            if known.count + missing.count > limit { known = [:] }
            for address in missing { known[address] = found.removeValue(forKey: address) ?? [] }
        }
    }
}

extension CallTrace {
    /// Looks all of them up at once, which costs little more than one.
    static func prepare(_ traces: [CallTrace]) { SymbolCache.add(traces.flatMap(\.addresses)) }
}
