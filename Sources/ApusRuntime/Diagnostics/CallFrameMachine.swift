/// Runs the instructions of the unwind tables (DW_CFA_…) up to one program counter, keeping what a stack walk needs: the
/// frame address, the saved frame pointer and the return address. Rules for other registers are read over.
struct CallFrameMachine {
    struct Row {
        /// nil after an expression.
        var base: UInt64?
        var offset: Int64 = 0
        var framePointer = CallFrameInfo.Saved.unchanged
        var returnAddress = CallFrameInfo.Saved.unchanged
        var framePointerSetAt: UInt?
    }

    let header: CallFrameInfo.Header
    var location: UInt
    var row = Row()
    /// The row that the shared part (CIE) has left; DW_CFA_restore goes back to it.
    var initial = Row()
    private var remembered: [Row] = []

    init(header: CallFrameInfo.Header, function: UInt) {
        self.header = header
        location = function
    }

    /// The row as the stack walk wants it, if it is of the ordinary kind.
    var finished: CallFrameInfo? {
        guard let base = row.base.flatMap({ CallFrameInfo.Register(rawValue: $0) }), base != .returnAddress else {
            return nil
        }
        return CallFrameInfo(
            base: base,
            offset: Int(row.offset),
            framePointer: row.framePointer,
            returnAddress: row.returnAddress,
            framePointerSetAt: base == .framePointer ? row.framePointerSetAt : nil
        )
    }

    /// Runs until the row for `pc` is complete. False if the instructions make no sense.
    mutating func run(_ reader: inout DwarfReader, until pc: UInt) -> Bool {
        while let code = reader.u8() {
            let low = UInt64(code & 0x3F)
            let understood: Bool
            switch code >> 6 {
            case 1:  // advance_loc
                guard advance(low, to: pc) else { return true }
                understood = true
            case 2: understood = setFactored(low, reader.uleb().map { Int64(truncatingIfNeeded: $0) })
            case 3: understood = restore(low)
            default:
                if code >= 0x01, code <= 0x04 {
                    guard let delta = reader.fixed([8, 1, 2, 4][Int(code) - 1]) else { return false }
                    if code == 0x01 { return false }  // set_loc: an encoded address, which nobody emits
                    guard advance(delta, to: pc) else { return true }
                    understood = true
                } else {
                    understood = extended(code, &reader)
                }
            }
            guard understood else { return false }
        }
        return true
    }

    /// Goes on to the next row, unless that is beyond `pc`.
    private mutating func advance(_ delta: UInt64, to pc: UInt) -> Bool {
        let next = location &+ UInt(truncatingIfNeeded: delta &* header.codeAlignment)
        if next > pc { return false }
        location = next
        return true
    }

    private mutating func extended(_ code: UInt8, _ reader: inout DwarfReader) -> Bool {
        switch code {
        case 0x00: return true  // nop
        case 0x05:  // offset_extended
            guard let register = reader.uleb() else { return false }
            return setFactored(register, reader.uleb().map { Int64(truncatingIfNeeded: $0) })
        case 0x11:  // offset_extended_sf
            guard let register = reader.uleb() else { return false }
            return setFactored(register, reader.sleb())
        case 0x06: return reader.uleb().map { restore($0) } ?? false  // restore_extended
        case 0x07: return reader.uleb().map { set($0, .undefined) } ?? false
        case 0x08: return reader.uleb().map { set($0, .unchanged) } ?? false
        case 0x09, 0x14, 0x15:  // register, val_offset, val_offset_sf
            guard let register = reader.uleb(), reader.uleb() != nil else { return false }
            return set(register, .unknown)
        case 0x0A:  // remember_state
            remembered.append(row)
            return remembered.count < 64
        case 0x0B:  // restore_state
            guard let last = remembered.popLast() else { return false }
            row = last
            return true
        case 0x0C, 0x12:  // def_cfa, def_cfa_sf
            guard let register = reader.uleb() else { return false }
            return setBase(register) && setOffset(&reader, factored: code == 0x12)
        case 0x0D: return reader.uleb().map { setBase($0) } ?? false  // def_cfa_register
        case 0x0E, 0x13: return setOffset(&reader, factored: code == 0x13)  // def_cfa_offset, …_sf
        case 0x0F:  // def_cfa_expression
            row.base = nil
            return reader.uleb().map { reader.skip(Int(clamping: $0)) } ?? false
        case 0x10, 0x16:  // expression, val_expression
            guard let register = reader.uleb(), let length = reader.uleb() else { return false }
            return reader.skip(Int(clamping: length)) && set(register, .unknown)
        case 0x2D:  // AArch64: return addresses are signed from here on; StackUnwinder strips the signature anyway
            return true
        case 0x2E: return reader.uleb() != nil  // GNU_args_size
        default: return false
        }
    }

    private mutating func setFactored(_ register: UInt64, _ offset: Int64?) -> Bool {
        guard let offset else { return false }
        return set(register, .at(Int(truncatingIfNeeded: offset &* header.dataAlignment)))
    }

    private mutating func set(_ register: UInt64, _ saved: CallFrameInfo.Saved) -> Bool {
        switch CallFrameInfo.Register(rawValue: register) {
        case .framePointer: row.framePointer = saved
        case .returnAddress: row.returnAddress = saved
        case .stackPointer, nil: break
        }
        return true
    }

    private mutating func restore(_ register: UInt64) -> Bool {
        switch CallFrameInfo.Register(rawValue: register) {
        case .framePointer: row.framePointer = initial.framePointer
        case .returnAddress: row.returnAddress = initial.returnAddress
        case .stackPointer, nil: break
        }
        return true
    }

    private mutating func setBase(_ register: UInt64) -> Bool {
        row.base = register
        row.framePointerSetAt = location
        return true
    }

    private mutating func setOffset(_ reader: inout DwarfReader, factored: Bool) -> Bool {
        let offset = factored ? reader.sleb() : reader.uleb().map { Int64(truncatingIfNeeded: $0) }
        guard let offset else { return false }
        row.offset = factored ? offset &* header.dataAlignment : offset
        return true
    }
}
