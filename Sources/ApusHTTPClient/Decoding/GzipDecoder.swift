/// `gzip` (RFC 1952): any number of members, one behind the other (§2.2). What follows a member and does not begin another is not
/// of it: servers pad, and gzip(1) and browsers overlook it.
final class GzipDecoder: ContentDecoder {
    private static let magic: (UInt8, UInt8) = (0x1F, 0x8B)

    private enum Place {
        case inMember
        case betweenMembers
        /// Behind a member and the first byte of what may be the next one's beginning.
        case inMagic
        case behindMembers
    }

    private let stream = InflateStream(.gzip)
    private var place = Place.inMember

    var isWhole: Bool { place == .betweenMembers || place == .behindMembers }
    var isFinished: Bool { place == .behindMembers }

    func decode(_ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer) -> DecodingStep {
        var total = DecodingStep()
        while true {
            switch place {
            case .inMember:
                let (step, isAtEnd) = stream.run(
                    UnsafeRawBufferPointer(rebasing: input[total.consumed...]),
                    into: UnsafeMutableRawBufferPointer(rebasing: output[total.produced...])
                )
                total.consumed += step.consumed
                total.produced += step.produced
                total.failure = step.failure
                guard isAtEnd else { return total }
                place = .betweenMembers
            case .betweenMembers:
                guard total.consumed < input.count else { return total }
                if input[total.consumed] == Self.magic.0 {
                    total.consumed += 1
                    place = .inMagic
                } else {
                    place = .behindMembers
                }
            case .inMagic:
                guard total.consumed < input.count else { return total }
                guard input[total.consumed] == Self.magic.1, total.produced < output.count else {
                    if input[total.consumed] != Self.magic.1 { place = .behindMembers }
                    return total
                }
                stream.reset()
                // The byte that was taken already: it is the header's first, and makes nothing.
                let step = withUnsafeBytes(of: Self.magic.0) {
                    stream.run($0, into: UnsafeMutableRawBufferPointer(rebasing: output[total.produced...])).step
                }
                total.failure = step.failure
                if step.failure != nil { return total }
                place = .inMember
            case .behindMembers:
                return total
            }
        }
    }

    /// The length that the last member states (ISIZE), for memory to be asked for at once: a hint that may lie.
    static func statedLength(_ bytes: UnsafeRawBufferPointer) -> Int {
        guard bytes.count >= 18 else { return 0 }
        return Int(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: bytes.count - 4, as: UInt32.self)))
    }
}
