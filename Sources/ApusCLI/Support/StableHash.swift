/// A hash that is the same in every run, unlike `Hasher`: FNV-1a in 64 bits, mixed once more at the end.
///
/// It tells names apart; it keeps no secret, and whoever wants two texts with the same hash finds them.
struct StableHash {
    private var state: UInt64 = 0xCBF2_9CE4_8422_2325

    init() {}

    init(_ text: String) { combine(text) }

    mutating func combine(_ byte: UInt8) { state = (state ^ UInt64(byte)) &* 0x100_0000_01B3 }

    mutating func combine(_ bytes: ArraySlice<UInt8>) { for byte in bytes { combine(byte) } }

    mutating func combine(_ text: String) {
        var text = text
        // A copy, so that it stays in a register.
        var hash = self
        text.withUTF8 { for byte in $0 { hash.combine(byte) } }
        self = hash
    }

    var value: UInt64 {
        // FNV moves little into the upper bits of short texts.
        var value = state
        value = (value ^ (value >> 33)) &* 0xFF51_AFD7_ED55_8CCD
        value = (value ^ (value >> 33)) &* 0xC4CE_B9FE_1A85_EC53
        return value ^ (value >> 33)
    }

    /// Sixteen hexadecimal digits.
    var digits: String { Self.digits(value) }

    static func digits(_ value: UInt64) -> String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
