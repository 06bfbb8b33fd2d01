/// Finds the call stack of a thread of which only the program counter and the stack pointer are known, in a copy of its
/// stack.
///
/// The first frames belong to libc, whose system call wrappers keep no frame pointer, so the unwind tables lead the way.
/// They reach Swift code, which has frame pointers, at a moment when the frame pointer's value is not known yet (libc has
/// left it in its register, which /proc does not show). It is found from the function's own prologue, and failing that by
/// a scan for the first thing on the stack that looks like a frame record: a saved frame pointer further up, and behind
/// it an address right after a call instruction. Every step is checked; at the first doubt the walk ends.
struct StackUnwinder {
    private let stack: StackCopy
    private let code: ExecutableMemory
    private var pc: UInt
    private var sp: UInt
    private var fp: UInt?
    /// Whether the walk ended for want of more stack.
    private(set) var ranOffTheCopy = false

    private static let limit = 72

    init(stack: StackCopy, code: ExecutableMemory, pc: UInt) {
        self.stack = stack
        self.code = code
        self.pc = pc
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
        // A return address may be behind the function's last instruction; the call before it is inside.
        guard let info = CallFrameInfo.find(isInnermost ? pc : pc - 1) else { return followRecord(isInnermost: isInnermost) }
        if info.returnAddress == .undefined { return false }  // the outermost function says so
        let base: UInt
        switch info.base {
        case .framePointer:
            guard let value = fp ?? framePointerFromPrologue(info, isInnermost: isInnermost) ?? framePointerByScan() else {
                return false
            }
            base = value
        case .stackPointer, .returnAddress:
            base = sp
        }
        let frame = base &+ UInt(bitPattern: info.offset)
        guard frame > sp || (isInnermost && frame == sp), frame % 8 == 0 else { return false }
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

    // MARK: Frame records

    /// For code without unwind tables.
    private mutating func followRecord(isInnermost: Bool) -> Bool {
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

    /// The frame pointer of the function that `pc` is in, from the stack pointer and how far the function's prologue has
    /// moved it: `push rbp; mov rbp, rsp` and then pushes and one `sub rsp`.
    private func framePointerFromPrologue(_ info: CallFrameInfo, isInnermost: Bool) -> UInt? {
        #if arch(x86_64)
        guard let start = info.framePointerSetAt, start > info.function, start - info.function < 4096 else { return nil }
        let before = ProcessMemory.bytes(at: start - 5, count: 5)
        var code = ProcessMemory.bytes(at: start, count: 48)[...]
        guard before.count == 5 else { return nil }
        var distance: UInt
        if before.suffix(3) == [0x48, 0x89, 0xE5] {
            distance = 0  // mov rbp, rsp
        } else if before.prefix(4) == [0x48, 0x8D, 0x6C, 0x24] {
            distance = UInt(before[4])  // lea rbp, [rsp + n]: async functions, the context being saved below the record
        } else {
            return nil
        }
        while let first = code.first {
            if 0x50...0x57 ~= first {  // push
                distance += 8
                code = code.dropFirst(1)
            } else if first == 0x41, let second = code.dropFirst().first, 0x50...0x57 ~= second {
                distance += 8
                code = code.dropFirst(2)
            } else if code.starts(with: [0x48, 0x83, 0xEC]), code.count >= 4 {  // sub rsp, imm8
                distance += UInt(code[code.startIndex + 3] & 0x7F)
                code = code.dropFirst(4)
            } else if code.starts(with: [0x48, 0x81, 0xEC]), code.count >= 7 {  // sub rsp, imm32
                let immediate = code.dropFirst(3).prefix(4).reversed().reduce(UInt(0)) { $0 << 8 | UInt($1) }
                distance += immediate
                code = code.dropFirst(7)
            } else {
                break
            }
        }
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
