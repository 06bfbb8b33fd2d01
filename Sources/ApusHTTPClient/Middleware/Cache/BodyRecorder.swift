/// Copies a body while somebody reads it, for a cache that keeps it when all was read. Loop thread only.
final class BodyRecorder {
    private var bytes: [UInt8] = []
    private let limit: Int
    private var finish: (([UInt8]) -> Void)?

    /// - Parameters:
    ///   - limit: what is longer is not kept.
    ///   - finish: gets the whole body, if it came to its end.
    init(limit: Int, finish: @escaping ([UInt8]) -> Void) {
        self.limit = limit
        self.finish = finish
    }

    /// - Parameter piece: nil at the end.
    func add(_ piece: [UInt8]?) {
        guard let finish else { return }
        guard let piece else {
            self.finish = nil
            finish(bytes)
            bytes = []
            return
        }
        if bytes.isEmpty, piece.count <= limit {
            bytes = piece
        } else if piece.count <= limit - bytes.count {
            bytes.append(contentsOf: piece)
        } else {
            self.finish = nil
            bytes = []
        }
    }
}
