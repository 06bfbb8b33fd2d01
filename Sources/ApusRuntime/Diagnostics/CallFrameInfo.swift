import CApus

/// How to get from one function's frame to its caller's: one row of the unwind tables (DWARF call frame information, the
/// contents of .eh_frame), which every shared library carries, stripped or not.
///
/// Only what ordinary code uses is understood: a frame address that is a register plus an offset, registers saved at an
/// offset from it. Anything else gives nil, and the unwinder has fewer frames.
struct CallFrameInfo {
    /// Where a register of the caller is.
    enum Saved: Equatable {
        case unchanged
        case at(Int)
        case undefined
        /// A rule beyond this reader.
        case unknown
    }

    /// The canonical frame address is this register's value plus an offset.
    var base: Register
    var offset: Int
    var framePointer = Saved.unchanged
    var returnAddress = Saved.unchanged
    /// The function's first instruction.
    var function: UInt = 0
    /// Where in the function the frame pointer became the base.
    var framePointerSetAt: UInt?

    enum Register: UInt64 {
        #if arch(arm64)
        case framePointer = 29
        case returnAddress = 30
        case stackPointer = 31
        #else
        case framePointer = 6
        case stackPointer = 7
        case returnAddress = 16
        #endif
    }

    /// The row for `pc`.
    static func find(_ pc: UInt) -> CallFrameInfo? {
        var function: UInt = 0
        guard let entry = apus_bt_find_fde(pc, &function) else { return nil }
        let address = UInt(bitPattern: entry)
        guard var fde = DwarfReader(recordAt: address), let back = fde.u32(), back != 0,
            var cie = DwarfReader(recordAt: address &+ 4 &- UInt(back)), let header = Header(&cie)
        else { return nil }
        // The range's start is known already; its length is an absolute number of the same size.
        guard fde.skip(2 * header.pointerSize) else { return nil }
        if header.hasAugmentationData {
            guard let length = fde.uleb(), fde.skip(Int(clamping: length)) else { return nil }
        }
        var machine = CallFrameMachine(header: header, function: function)
        guard machine.run(&cie, until: .max) else { return nil }
        machine.initial = machine.row
        guard machine.run(&fde, until: pc), var row = machine.finished else { return nil }
        row.function = function
        return row
    }

    /// What a CIE, the part that many functions share, says.
    struct Header {
        var codeAlignment: UInt64
        var dataAlignment: Int64
        var pointerSize = 8
        var hasAugmentationData = false

        init?(_ reader: inout DwarfReader) {
            guard reader.u32() == 0, let version = reader.u8(), version == 1 || version == 3 else { return nil }
            var augmentation: [UInt8] = []
            while let byte = reader.u8(), byte != 0 { augmentation.append(byte) }
            guard let code = reader.uleb(), let data = reader.sleb() else { return nil }
            (codeAlignment, dataAlignment) = (code, data)
            guard version == 1 ? reader.skip(1) : reader.uleb() != nil else { return nil }  // return address column
            guard augmentation.first == UInt8(ascii: "z") else {
                if augmentation.isEmpty { return } else { return nil }
            }
            hasAugmentationData = true
            guard let length = reader.uleb() else { return nil }
            let end = reader.position + Int(clamping: length)
            for letter in augmentation.dropFirst() {
                switch letter {
                case UInt8(ascii: "R"):
                    guard let encoding = reader.u8(), let size = Self.size(of: encoding) else { return nil }
                    pointerSize = size
                case UInt8(ascii: "L"):
                    guard reader.skip(1) else { return nil }
                case UInt8(ascii: "P"):
                    guard let encoding = reader.u8(), let size = Self.size(of: encoding), reader.skip(size)
                    else { return nil }
                case UInt8(ascii: "B"): break  // return addresses are signed with the other key
                default: return nil  // "S" among them: a signal frame, whose rules are expressions
                }
            }
            guard reader.move(to: end) else { return nil }
        }

        /// The size of a pointer encoding (DW_EH_PE_…).
        private static func size(of encoding: UInt8) -> Int? {
            switch encoding & 0x0F {
            case 0x00, 0x04, 0x0C: encoding == 0x50 ? nil : 8  // 0x50 is padded to alignment
            case 0x02, 0x0A: 2
            case 0x03, 0x0B: 4
            default: nil
            }
        }
    }
}

/// A cursor over one record of .eh_frame, copied first: the library may be unloaded at any time.
struct DwarfReader {
    private let bytes: [UInt8]
    private(set) var position = 0

    /// A record is its length and that many bytes. None of the real ones comes near the limit.
    init?(recordAt address: UInt) {
        guard let length = ProcessMemory.word32(at: address), length > 4, length < 1 << 20 else { return nil }
        bytes = ProcessMemory.bytes(at: address &+ 4, count: Int(length))
        if bytes.count != Int(length) { return nil }
    }

    mutating func u8() -> UInt8? {
        guard position < bytes.count else { return nil }
        position += 1
        return bytes[position - 1]
    }

    /// A little-endian number of `count` bytes.
    mutating func fixed(_ count: Int) -> UInt64? {
        guard count <= bytes.count - position else { return nil }
        defer { position += count }
        return bytes[position..<position + count].reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }

    mutating func u32() -> UInt32? {
        fixed(4).map { UInt32($0) }
    }

    mutating func uleb() -> UInt64? {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while let byte = u8() {
            if shift < 64 { value |= UInt64(byte & 0x7F) << shift }
            shift += 7
            if byte & 0x80 == 0 { return value }
        }
        return nil
    }

    mutating func sleb() -> Int64? {
        var value: Int64 = 0
        var shift: Int64 = 0
        while let byte = u8() {
            if shift < 64 { value |= Int64(byte & 0x7F) << shift }
            shift += 7
            if byte & 0x80 == 0 {
                if byte & 0x40 != 0, shift < 64 { value |= -1 << shift }
                return value
            }
        }
        return nil
    }

    mutating func skip(_ count: Int) -> Bool {
        guard count >= 0, count <= bytes.count - position else { return false }
        position += count
        return true
    }

    mutating func move(to target: Int) -> Bool {
        skip(target - position)
    }
}
