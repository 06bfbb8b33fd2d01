import ApusNet
import ApusRuntime
import ApusWire

/// How ``ClientResponse/write(to:_:)`` leaves the file.
public struct FileWriting: Sendable, Hashable {
    /// Whether the file, and its name in the folder, have reached the disk when the function returns (fsync(2)).
    public var syncs: Bool
    /// Whether the file gets the time of the head's Last-Modified, if there is one.
    public var keepsModificationTime: Bool
    /// The most bytes to write; nil for any number. More is ``ClientError`` `.bodyTooLarge`.
    public var limit: Int?

    public init(syncs: Bool = false, keepsModificationTime: Bool = false, limit: Int? = nil) {
        self.syncs = syncs
        self.keepsModificationTime = keepsModificationTime
        self.limit = limit
    }
}

extension ClientResponse {
    /// Writes the body to a file as it comes, on the pool for blocking calls.
    ///
    /// The bytes go to a file with a name of its own in the same folder, which takes the place of `path` when all of it is there: nobody
    /// sees half a file, and one that was there before stays if this one fails. What was begun is removed after an error. The new one has
    /// the permissions of the old one. A character device, such as `/dev/null`, is written to as it is; a folder, a FIFO or a socket is
    /// an error.
    ///
    /// - Parameters:
    ///   - path: where to; its folder has to exist.
    ///   - writing: what the file is to be like.
    /// - Returns: the number of bytes.
    /// - Throws: ``ClientError`` `.fileFailed` with the system's reason, such as a full disk; as ``bytes(limit:)``.
    ///
    /// Cancel safety: closes the connection, and removes what was written.
    @discardableResult
    public func write(to path: String, _ writing: FileWriting = FileWriting()) async throws -> Int {
        do {
            return try await write(to: try OutputFile(path: path), writing)
        } catch let error as NetError {
            release()
            throw storage.exchange.error(.fileFailed, "\(error)", cause: error)
        }
    }

    /// The pieces that are handed to another thread at once: what comes in small ones is collected first.
    private static let batchSize = 256 * 1024

    func write(to file: OutputFile, _ writing: FileWriting) async throws -> Int {
        do {
            var total = 0
            var batch: [UInt8] = []
            for try await piece in body {
                total += piece.count
                if let limit = writing.limit, total > limit {
                    throw storage.exchange.error(
                        .bodyTooLarge,
                        "The body is larger than \(limit) bytes, the limit of `write(to:)`."
                    )
                }
                if batch.isEmpty { batch = piece } else { batch.append(contentsOf: piece) }
                guard batch.count >= Self.batchSize else { continue }
                let full = batch
                batch = []
                try await offload { try file.write(full) }
            }
            let (rest, modified) = (batch, writing.keepsModificationTime ? lastModified?.secondsSince1970 : nil)
            try await offload {
                try file.write(rest)
                try file.finish(syncs: writing.syncs, modified: modified)
            }
            return total
        } catch {
            release()
            // Whatever is cancelled: what was begun has to go, and the lock may be held by a call that is still at it.
            try? await withShield { try await offload { file.discard() } }
            if let error = error as? NetError { throw storage.exchange.error(.fileFailed, "\(error)", cause: error) }
            throw error
        }
    }
}
