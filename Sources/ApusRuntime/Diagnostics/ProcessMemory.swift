import CApus

/// Reading this process's memory where a wrong address must not be the end of it.
enum ProcessMemory {
    static func bytes(at address: UInt, count: Int) -> [UInt8] {
        guard count > 0 else { return [] }
        return [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            initialized = min(count, apus_bt_read_memory(address, buffer.baseAddress, count))
        }
    }

    static func word32(at address: UInt) -> UInt32? {
        let bytes = bytes(at: address, count: 4)
        return bytes.count == 4 ? bytes.withUnsafeBytes { $0.loadUnaligned(as: UInt32.self) } : nil
    }
}

/// A copy of the used part of a thread's stack.
struct StackCopy {
    let range: Range<UInt>
    private let words: [UInt]

    /// nil if the start cannot be read; shorter than asked for if the end cannot.
    init?(from start: UInt, to end: UInt) {
        let size = UInt(MemoryLayout<UInt>.size)
        guard start % size == 0, start < end else { return nil }
        var read = 0
        words = [UInt](unsafeUninitializedCapacity: Int((end - start) / size)) { buffer, initialized in
            read = apus_bt_read_memory(start, buffer.baseAddress, buffer.count * Int(size)) / Int(size)
            initialized = min(read, buffer.count)
        }
        guard !words.isEmpty else { return nil }
        range = start..<(start + UInt(words.count) * size)
    }

    /// The copy that the signal handler has made.
    init?(_ sample: apus_bt_sample) {
        words = Array(UnsafeBufferPointer(start: sample.stack, count: sample.stack_words))
        guard !words.isEmpty else { return nil }
        range = sample.sp..<(sample.sp + UInt(words.count * MemoryLayout<UInt>.size))
    }

    /// The word at an address of the original, if it was copied.
    subscript(address: UInt) -> UInt? {
        let size = UInt(MemoryLayout<UInt>.size)
        guard range.contains(address), address % size == 0 else { return nil }
        return words[Int((address - range.lowerBound) / size)]
    }
}

/// Where this process's code is. Read from /proc rather than from the dynamic linker, whose lock the sampled thread may
/// hold (a library's initialiser that blocks).
struct ExecutableMemory {
    private let ranges: [Range<UInt>]

    static func current() -> ExecutableMemory {
        ExecutableMemory(maps: ProcFile.text(at: "/proc/self/maps"))
    }

    init(maps: String) {
        ranges = maps.split(separator: "\n").compactMap { line in
            // 55d0c0a00000-55d0c0a21000 r-xp 00002000 08:01 1234 /usr/bin/name
            let words = line.split(separator: " ", maxSplits: 2)
            guard words.count > 1, words[1].utf8.dropFirst(2).first == UInt8(ascii: "x") else { return nil }
            let bounds = words[0].split(separator: "-").compactMap { UInt($0, radix: 16) }
            return bounds.count == 2 && bounds[0] < bounds[1] ? bounds[0]..<bounds[1] : nil
        }
    }

    func contains(_ address: UInt) -> Bool {
        ranges.contains { $0.contains(address) }
    }

    /// Whether `address` can be what a call has left on the stack: code, right behind a call instruction.
    func isReturnAddress(_ address: UInt) -> Bool {
        guard address > 8, contains(address), contains(address - 1) else { return false }
        #if arch(x86_64)
        let code = ProcessMemory.bytes(at: address - 7, count: 7)
        return code.count == 7 && Self.endsInCall(code)
        #elseif arch(arm64)
        guard address % 4 == 0, let word = ProcessMemory.word32(at: address - 4) else { return false }
        // BL; BLR and its authenticated forms.
        return word & 0xFC00_0000 == 0x9400_0000 || word & 0xFEFF_F000 == 0xD63F_0000
        #else
        return true
        #endif
    }

    /// Whether seven bytes of x86-64 code end with a call.
    static func endsInCall(_ code: [UInt8]) -> Bool {
        if code[2] == 0xE8 { return true }  // call rel32
        // call r/m64 is FF /2; how long it is depends on the operand. A REX prefix before it changes nothing here.
        for start in 0...5 where code[start] == 0xFF && code[start + 1] >> 3 & 7 == 2 {
            let mode = code[start + 1] >> 6
            let operand = code[start + 1] & 7
            var length = 2
            if mode != 3 {
                if operand == 4 { length += 1 }  // a SIB byte
                if mode == 1 { length += 1 }
                if mode == 2 || mode == 0 && operand == 5 { length += 4 }
            }
            if start + length == 7 { return true }
        }
        return false
    }
}
