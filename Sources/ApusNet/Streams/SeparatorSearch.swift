/// Finds the first separator among several in bytes that come piece by piece.
struct SeparatorSearch {
    static let lineFeed = SeparatorSearch(lastBytes: [10], separators: [[10]], longest: 1)

    /// The last bytes of all separators: only these positions are compared.
    private let lastBytes: [UInt8]
    private let separators: [[UInt8]]
    private let longest: Int

    private init(lastBytes: [UInt8], separators: [[UInt8]], longest: Int) {
        self.lastBytes = lastBytes
        self.separators = separators
        self.longest = longest
    }

    /// - Throws: ``NetError`` `.invalidArgument` without separators, or with an empty one.
    init(_ separators: [[UInt8]]) throws(NetError) {
        guard !separators.isEmpty, !separators.contains(where: \.isEmpty) else {
            throw NetError(.invalidArgument, "A separator must have at least one byte.")
        }
        self.init(
            lastBytes: Array(Set(separators.compactMap(\.last))),
            separators: separators,
            longest: separators.reduce(1) { max($0, $1.count) }
        )
    }

    /// Where the separator that ends first ends, as a count of bytes from the beginning of `bytes`.
    ///
    /// - Parameter searched: as many bytes are known to hold no separator's end.
    func firstEnd(in bytes: ArraySlice<UInt8>, from searched: Int) -> Int? {
        bytes.withUnsafeBytes { buffer in
            if separators.count == 1, longest == 1 {
                return buffer[searched...].firstIndex(of: lastBytes[0]).map { $0 + 1 }
            }
            for index in searched..<buffer.count where lastBytes.contains(buffer[index]) {
                let before = buffer[...index]
                if separators.contains(where: { before.count >= $0.count && before.suffix($0.count).elementsEqual($0) })
                {
                    return index + 1
                }
            }
            return nil
        }
    }
}
