import ApusNet
import ApusRuntime

// What is compressed passes through this process, and goes out in chunks, however long it was said to be.
extension Upload {
    /// Compresses a piece, and writes what is worth writing.
    func encode(_ bytes: ArraySlice<UInt8>, _ encoding: ContentEncoding) async throws {
        // The framing speaks of the other bytes: nobody else would notice.
        if let length = plan.length, sent + Int64(bytes.count) > Int64(length) {
            let left = Int64(length) - sent
            throw wrongLength("a piece of \(bytes.count) bytes for a body that has \(left) left", length)
        }
        try await write(bytes, encoding, isLast: false)
    }

    /// Compresses a file, read in pieces: sendfile(2) is of no use here.
    func encode(_ file: SourceFile, _ encoding: ContentEncoding) async throws {
        var position = file.range.lowerBound
        while position < file.range.upperBound {
            let piece: [UInt8]
            do {
                piece = try await file.piece(at: position, count: 64 * 1024)
            } catch let error as NetError where error.code == .file {
                throw exchange.error(.bodyFailed, "The request's body cannot be read: \(error)", cause: error)
            }
            position += Int64(piece.count)
            try check()
            try await write(piece[...], encoding, isLast: false)
        }
    }

    /// Writes what the encoder has held back, and the end of its format.
    func finish(_ encoding: ContentEncoding) async throws {
        if let length = plan.length, sent != Int64(length) {
            throw wrongLength("the body ends with \(Int64(length) - sent) bytes missing", length)
        }
        try await write([], encoding, isLast: true)
    }

    private func write(_ bytes: ArraySlice<UInt8>, _ encoding: ContentEncoding, isLast: Bool) async throws {
        var rest = bytes
        while true {
            let before = rest.count
            guard let piece = try encoding.next(&rest, isLast: isLast) else { return }
            if !piece.isEmpty { try await write(piece) }
            if rest.count < before { advance(by: before - rest.count) }
            // Compressing computes: others on the loop have their turn in between.
            await connection.pool.loop.yieldIfSliceIsOver()
            try check()
        }
    }

    private func wrongLength(_ what: String, _ length: Int) -> ClientError {
        exchange.error(.invalidRequest, "The request's body was stated to have \(length) bytes: \(what).")
    }
}
