#if arch(x86_64)
/// Reads the first and last instructions of x86-64 functions: how far they move the stack pointer. Compilers write them in
/// few ways, and what is not among these ends the reading; the unwinder checks what comes of it.
enum Prologue {
    enum Effect: Equatable {
        /// The return address is this many bytes above the stack pointer.
        case pushed(UInt)
        /// The function has set up a frame pointer.
        case framePointer
    }

    /// What the instructions from a function's start up to `pc` have done.
    static func effect(from start: UInt, to pc: UInt) -> Effect {
        var code = ProcessMemory.bytes(at: start, count: Int(min(64, pc - start)))[...]
        if code.starts(with: [0xF3, 0x0F, 0x1E, 0xFA]) { code = code.dropFirst(4) }  // endbr64
        let pushed = adjustment(&code)
        let setsFramePointer = code.starts(with: [0x48, 0x89, 0xE5]) || code.starts(with: [0x48, 0x8D, 0x6C, 0x24])
        return setsFramePointer ? .framePointer : .pushed(pushed)
    }

    /// How far the stack pointer is below the frame pointer at `pc`, the instruction before `start` having set the latter.
    static func framePointerDistance(setAt start: UInt, to pc: UInt) -> UInt? {
        let before = ProcessMemory.bytes(at: start - 5, count: 5)
        guard before.count == 5 else { return nil }
        var distance: UInt
        if before.suffix(3) == [0x48, 0x89, 0xE5] {
            distance = 0  // mov rbp, rsp
        } else if before.prefix(4) == [0x48, 0x8D, 0x6C, 0x24] {
            distance = UInt(before[4])  // lea rbp, [rsp + n]: async functions keep their context below the record
        } else {
            return nil
        }
        var code = ProcessMemory.bytes(at: start, count: Int(min(64, pc - start)))[...]
        distance += adjustment(&code)
        return distance
    }

    /// A place where the frame is not, or no longer, complete: where above the stack pointer the return address is, and
    /// the caller's frame pointer if it is not in its register.
    struct Edge {
        var returnAddress: UInt
        var framePointer: UInt?
    }

    /// `pc` is at the start of a function that sets up a frame pointer, or one instruction further.
    static func entry(at pc: UInt) -> Edge? {
        let code = ProcessMemory.bytes(at: pc - 1, count: 5)
        if code.count == 5, code[1...] == [0x55, 0x48, 0x89, 0xE5] { return Edge(returnAddress: 0) }
        if code.count == 5, code[..<4] == [0x55, 0x48, 0x89, 0xE5] { return Edge(returnAddress: 8, framePointer: 0) }
        return nil
    }

    /// The function has nothing left to do at `pc` but to restore registers and return.
    /// - Parameter acceptingTailCall: or to jump to another function. Without unwind tables only a register restored right
    ///   before tells such a jump from one inside the function.
    static func epilogue(at pc: UInt, acceptingTailCall: Bool) -> Edge? {
        let before = ProcessMemory.bytes(at: pc - 1, count: 1).first ?? 0
        var hasRestored = 0x58...0x5F ~= before
        var code = ProcessMemory.bytes(at: pc, count: 32)[...]
        var offset: UInt = 0
        var framePointer: UInt?
        while let first = code.first {
            switch first {
            case 0xC3:  // ret
                return Edge(returnAddress: offset, framePointer: framePointer)
            case 0xE9, 0xEB:  // jmp
                guard acceptingTailCall, hasRestored else { return nil }
                return Edge(returnAddress: offset, framePointer: framePointer)
            case 0x58...0x5F:  // pop
                hasRestored = true
                if first == 0x5D { framePointer = offset }
                offset += 8
                code = code.dropFirst(1)
            case 0x41:  // pop r8–r15
                guard let second = code.dropFirst().first, 0x58...0x5F ~= second else { return nil }
                offset += 8
                code = code.dropFirst(2)
            case 0x48:
                if code.starts(with: [0x48, 0x83, 0xC4]), code.count > 3, code[code.startIndex + 3] < 0x80 {
                    offset += UInt(code[code.startIndex + 3])  // add rsp, imm8
                    code = code.dropFirst(4)
                } else if code.starts(with: [0x48, 0x81, 0xC4]), code.count > 6 {
                    offset += UInt(little(code.dropFirst(3).prefix(4)))  // add rsp, imm32
                    code = code.dropFirst(7)
                } else {
                    return nil
                }
            default:
                return nil
            }
        }
        return nil
    }

    /// The function that the call right before a return address names, if it names one.
    static func directCallee(before returnAddress: UInt) -> UInt? {
        let code = ProcessMemory.bytes(at: returnAddress - 5, count: 5)
        guard code.count == 5, code[0] == 0xE8 else { return nil }
        let distance = Int32(truncatingIfNeeded: little(code[1...]))
        return returnAddress &+ UInt(bitPattern: Int(distance))
    }

    /// Consumes pushes and subtractions from the stack pointer; returns their sum.
    private static func adjustment(_ code: inout ArraySlice<UInt8>) -> UInt {
        var sum: UInt = 0
        while let first = code.first {
            if 0x50...0x57 ~= first {  // push
                sum += 8
                code = code.dropFirst(1)
            } else if first == 0x41, let second = code.dropFirst().first, 0x50...0x57 ~= second {  // push r8–r15
                sum += 8
                code = code.dropFirst(2)
            } else if code.starts(with: [0x48, 0x83, 0xEC]), code.count >= 4 {  // sub rsp, imm8
                sum += UInt(code[code.startIndex + 3] & 0x7F)
                code = code.dropFirst(4)
            } else if code.starts(with: [0x48, 0x81, 0xEC]), code.count >= 7 {  // sub rsp, imm32
                sum += UInt(little(code.dropFirst(3).prefix(4)))
                code = code.dropFirst(7)
            } else {
                break
            }
        }
        return sum
    }

    private static func little(_ bytes: ArraySlice<UInt8>) -> UInt32 {
        bytes.reversed().reduce(0) { $0 << 8 | UInt32($1) }
    }
}
#endif
