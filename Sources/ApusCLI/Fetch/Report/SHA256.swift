/// SHA-256 (FIPS 180-4), for `--sha256`: the library has no public one, and the system's is there only with the trait `TLS`.
struct SHA256: Sendable {
    private var state: (UInt32, UInt32, UInt32, UInt32, UInt32, UInt32, UInt32, UInt32) = (
        0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19
    )
    /// What is not a whole block yet.
    private var rest: [UInt8] = []
    private var count: UInt64 = 0

    private static let constants: [UInt32] = {
        // The first 32 bits of the fractions of the cube roots of the first 64 primes (§4.2.2), worked out in integers: the largest r
        // with r³ ≤ p·2⁹⁶ has them at its end.
        var constants: [UInt32] = []
        var candidate: UInt64 = 2
        while constants.count < 64 {
            if (2..<candidate).allSatisfy({ candidate % $0 != 0 }) { constants.append(cubeRootFraction(of: candidate)) }
            candidate += 1
        }
        return constants
    }()

    private static func cubeRootFraction(of prime: UInt64) -> UInt32 {
        var root: UInt64 = 0
        for bit in stride(from: 35, through: 0, by: -1) {
            let next = root | 1 << UInt64(bit)
            // next³ ≤ prime·2⁹⁶, without numbers of more than 128 bits.
            let square = UInt128(next) * UInt128(next)
            if square <= (UInt128(prime) << 96) / UInt128(next) { root = next }
        }
        return UInt32(truncatingIfNeeded: root)
    }

    init() { rest.reserveCapacity(64) }

    mutating func update(_ bytes: [UInt8]) {
        count += UInt64(bytes.count)
        bytes.withUnsafeBufferPointer { buffer in
            var buffer = buffer[...]
            if !rest.isEmpty {
                let taken = min(64 - rest.count, buffer.count)
                rest += buffer.prefix(taken)
                buffer = buffer.dropFirst(taken)
                guard rest.count == 64 else { return }
                let block = rest
                block.withUnsafeBufferPointer { compress($0) }
                rest.removeAll(keepingCapacity: true)
            }
            while buffer.count >= 64 {
                compress(UnsafeBufferPointer(rebasing: buffer.prefix(64)))
                buffer = buffer.dropFirst(64)
            }
            rest += buffer
        }
    }

    /// The digest in lower-case hexadecimal digits.
    consuming func finish() -> String {
        let bits = count &* 8
        var padding: [UInt8] = [0x80]
        padding += [UInt8](repeating: 0, count: (119 - Int(count % 64)) % 64)
        padding += (0..<8).map { UInt8(truncatingIfNeeded: bits >> (56 - 8 * UInt64($0))) }
        update(padding)
        let words = [state.0, state.1, state.2, state.3, state.4, state.5, state.6, state.7]
        return words.map { word in
            let digits = String(word, radix: 16)
            return String(repeating: "0", count: 8 - digits.count) + digits
        }
        .joined()
    }

    private mutating func compress(_ block: UnsafeBufferPointer<UInt8>) {
        withUnsafeTemporaryAllocation(of: UInt32.self, capacity: 64) { schedule in
            for index in 0..<16 {
                let at = index * 4
                schedule[index] =
                    UInt32(block[at]) << 24 | UInt32(block[at + 1]) << 16 | UInt32(block[at + 2]) << 8
                    | UInt32(block[at + 3])
            }
            for index in 16..<64 {
                let (early, late) = (schedule[index - 15], schedule[index - 2])
                let first = Self.turn(early, 7) ^ Self.turn(early, 18) ^ early >> 3
                let second = Self.turn(late, 17) ^ Self.turn(late, 19) ^ late >> 10
                schedule[index] = schedule[index - 16] &+ first &+ schedule[index - 7] &+ second
            }
            var (a, b, c, d, e, f, g, h) = state
            Self.constants.withUnsafeBufferPointer { constants in
                for index in 0..<64 {
                    let second = Self.turn(e, 6) ^ Self.turn(e, 11) ^ Self.turn(e, 25)
                    let one = h &+ second &+ (e & f ^ ~e & g) &+ constants[index] &+ schedule[index]
                    let first = Self.turn(a, 2) ^ Self.turn(a, 13) ^ Self.turn(a, 22)
                    let two = first &+ (a & b ^ a & c ^ b & c)
                    (h, g, f, e, d, c, b, a) = (g, f, e, d &+ one, c, b, a, one &+ two)
                }
            }
            state = (
                state.0 &+ a, state.1 &+ b, state.2 &+ c, state.3 &+ d, state.4 &+ e, state.5 &+ f, state.6 &+ g,
                state.7 &+ h
            )
        }
    }

    @inline(__always)
    private static func turn(_ value: UInt32, _ count: UInt32) -> UInt32 { value >> count | value << (32 - count) }
}
