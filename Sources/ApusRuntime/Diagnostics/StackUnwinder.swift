import CApus

/// Finds the call stack of a thread in a copy of its stack, given the program counter and the stack pointer, and for a
/// thread that was interrupted by a signal also the frame pointer.
///
/// The first frames of a waiting thread belong to libc, whose system call wrappers keep no frame pointer, so the unwind
/// tables lead the way. They reach Swift code, which has frame pointers, at a moment when the frame pointer's value is not
/// known (libc has left it in its register, which /proc does not show). It is found from the function's own prologue, and
/// failing that by a scan for the first thing on the stack that looks like a frame record: a saved frame pointer further
/// up, and behind it an address right after a call instruction. Functions without unwind tables, of which Swift's own
/// libraries have many, are treated alike. Every step is checked; at the first doubt the walk ends.
struct StackUnwinder {
    private let stack: StackCopy
    private let code: ExecutableMemory
    private var pc: UInt
    private var sp: UInt
    private var fp: UInt?
    /// AArch64: the return address of an innermost function that calls nothing.
    private let lr: UInt?
    /// Whether the walk ended for want of more stack.
    private(set) var ranOffTheCopy = false

    private static let limit = Int(APUS_BT_FRAMES)

    init(stack: StackCopy, code: ExecutableMemory, pc: UInt, fp: UInt? = nil, lr: UInt? = nil) {
        self.stack = stack
        self.code = code
        self.pc = pc
        self.fp = fp.map(Self.stripped)
        self.lr = lr
        sp = stack.range.lowerBound
    }

    /// The program counter and the return addresses, outwards.
    mutating func addresses() -> [UInt] {
        var found = [pc]
        guard code.contains(pc) else { return found }
        while found.count < Self.limit, step(isInnermost: found.count == 1) { found.append(pc) }
        return found
    }

    /// Goes on to the caller. False at the end of the stack, or of what is certain.
    private mutating func step(isInnermost: Bool) -> Bool {
        #if arch(x86_64)
        if isInnermost, let edge = Prologue.epilogue(at: pc, acceptingTailCall: false), leave(edge) { return true }
        #endif
        // A return address may be behind the function's last instruction; the call before it is inside.
        guard let info = CallFrameInfo.find(isInnermost ? pc : pc - 1) else {
            return stepByPrologue(isInnermost: isInnermost) || followRecord()
        }
        if info.returnAddress == .undefined { return false }  // the outermost function says so
        let base: UInt
        switch info.base {
        case .framePointer:
            guard let value = fp ?? framePointerFromPrologue(info) ?? framePointerByScan() else {
                return false
            }
            base = value
        case .stackPointer, .returnAddress:
            base = sp
        }
        let frame = base &+ UInt(bitPattern: info.offset)
        guard frame > sp || (isInnermost && frame == sp), frame % 8 == 0 else { return false }
        if info.returnAddress == .unchanged, isInnermost, let lr { return move(to: lr, sp: frame) }
        guard case .at(let offset) = info.returnAddress else { return false }
        guard let target = word(at: frame &+ UInt(bitPattern: offset)) else { return false }
        switch info.framePointer {
        case .unchanged: break
        case .at(let offset): fp = word(at: frame &+ UInt(bitPattern: offset)).map(Self.stripped)
        case .undefined, .unknown: fp = nil
        }
        return move(to: target, sp: frame)
    }

    private mutating func move(to target: UInt, sp newSP: UInt) -> Bool {
        let target = Self.strippedCode(target)
        guard code.isReturnAddress(target) else { return false }
        (pc, sp) = (target, newSP)
        return true
    }

    private mutating func word(at address: UInt) -> UInt? {
        if let word = stack[address] { return word }
        ranOffTheCopy = address >= stack.range.upperBound
        return nil
    }

    // MARK: Without tables

    /// A function without unwind tables and, as far as its prologue shows, without a frame pointer of its own. Where it
    /// begins only the dynamic linker knows, so this waits for its lock if the thread is held up inside `dlopen`.
    private mutating func stepByPrologue(isInnermost: Bool) -> Bool {
        #if arch(x86_64)
        if isInnermost, let edge = Prologue.entry(at: pc) ?? Prologue.epilogue(at: pc, acceptingTailCall: true),
            leave(edge)
        {
            return true
        }
        let inside = isInnermost ? pc : pc - 1
        var start: UInt = 0
        var end: UInt = 0
        if apus_bt_function_bounds(inside, &start, &end) {
            guard case .pushed(let bytes) = Prologue.effect(from: start, to: inside) else { return false }
            guard let target = stack[sp &+ bytes] else { return false }
            return move(to: target, sp: sp &+ bytes &+ 8)
        }
        // A function that its library keeps to itself, or a jump into another library (PLT), which is no function at all.
        // Whoever called it has said so by name.
        for address in stride(from: sp, to: min(sp &+ 256, fp ?? .max), by: 8) {
            guard let target = stack[address], code.isReturnAddress(target),
                let callee = Prologue.directCallee(before: target), callee <= inside, inside - callee < 2048
            else { continue }
            if case .framePointer = Prologue.effect(from: callee, to: inside) { return false }
            return move(to: target, sp: address &+ 8)
        }
        return false
        #else
        return false
        #endif
    }

    #if arch(x86_64)
    /// Goes on to the caller from a function's first or last instructions.
    private mutating func leave(_ edge: Prologue.Edge) -> Bool {
        guard let target = stack[sp &+ edge.returnAddress], code.isReturnAddress(target) else { return false }
        if let saved = edge.framePointer { fp = stack[sp &+ saved].map(Self.stripped) }
        return move(to: target, sp: sp &+ edge.returnAddress &+ 8)
    }
    #endif

    private mutating func followRecord() -> Bool {
        #if arch(arm64)
        let known = fp
        #else
        let known = fp ?? framePointerByScan()
        #endif
        guard let record = known, isRecord(record), let saved = word(at: record), let target = word(at: record &+ 8)
        else { return false }
        fp = Self.stripped(saved)
        return move(to: target, sp: record &+ 16)
    }

    /// Whether at `address` there are a saved frame pointer, further up the stack (or zero: the first frame), and a
    /// return address.
    private func isRecord(_ address: UInt) -> Bool {
        guard address >= sp, address % 16 == 0, let saved = stack[address].map(Self.stripped),
            let target = stack[address &+ 8].map(Self.strippedCode)
        else { return false }
        return (saved == 0 || saved % 8 == 0 && saved > address && saved < stack.range.upperBound &+ (1 << 20))
            && code.isReturnAddress(target)
    }

    /// The first frame record at or above the stack pointer whose own saved frame pointer is one, too. What a call that
    /// has returned left behind in a large uninitialised local can look the same; hence only as a last resort.
    private func framePointerByScan() -> UInt? {
        var address = (sp &+ 15) & ~15
        while address < stack.range.upperBound {
            if isRecord(address), let saved = stack[address].map(Self.stripped), saved == 0 || isRecord(saved) {
                return address
            }
            address += 16
        }
        return nil
    }

    /// The frame pointer of the function that `pc` is in, from the stack pointer and how far the prologue has moved it
    /// since it set the frame pointer.
    private func framePointerFromPrologue(_ info: CallFrameInfo) -> UInt? {
        #if arch(x86_64)
        guard let start = info.framePointerSetAt, start > info.function, start < pc,
            let distance = Prologue.framePointerDistance(setAt: start, to: pc)
        else { return nil }
        let candidate = sp &+ distance
        return isRecord(candidate) ? candidate : nil
        #else
        return nil
        #endif
    }

    /// Without the flag that marks the frames of Swift's async functions (bit 60).
    private static func stripped(_ framePointer: UInt) -> UInt {
        framePointer & ~(1 << 60)
    }

    /// Without a signature (ARMv8.3 pointer authentication in user space).
    private static func strippedCode(_ address: UInt) -> UInt {
        #if arch(arm64)
        return address & 0x0000_FFFF_FFFF_FFFF
        #else
        return address
        #endif
    }
}
