import Apus

/// The pieces of a body, of which the first may have been looked at before.
struct BodyPieces {
    private var iterator: ResponseBody.Iterator
    /// What was read and not yet given out.
    private(set) var first: [UInt8]?
    private var second: Result<[UInt8]?, any Error>?

    /// What is stored in one go.
    private static let wholeSize = 256 * 1024

    init(_ body: ResponseBody) { iterator = body.makeAsyncIterator() }

    /// Reads the first piece, and the end if nothing else is to come.
    ///
    /// - Parameter length: of the body, if it is known.
    /// - Returns: whether ``first`` is the whole body; nil there is an empty one.
    /// - Throws: what has happened in front of the first piece. What happens behind it, ``next()`` tells.
    mutating func lookAhead(_ length: Int?) async throws -> Bool {
        first = try await iterator.next()
        guard let count = first?.count else { return true }
        // A body that comes later has a least rate, which whoever reads it looks at.
        guard count == length, count < Self.wholeSize else { return false }
        do {
            let second = try await iterator.next()
            if second == nil { return true }
            self.second = .success(second)
        } catch {
            second = .failure(error)
        }
        return false
    }

    /// The next piece; nil at the end.
    ///
    /// Cancel safety: as of the body's own iterator.
    mutating func next() async throws -> [UInt8]? {
        if let piece = first {
            first = nil
            return piece
        }
        if let result = second {
            second = nil
            return try result.get()
        }
        return try await iterator.next()
    }
}
