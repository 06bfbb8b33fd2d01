import Apus
import Glibc

/// Where a body goes: counted, hashed, printed, or stored.
///
/// What is small waits in memory for its end, and is stored in one trip; what is larger goes to a file that the next attempt, or the next
/// run, can continue.
final class BodySink {
    private let plan: FetchPlan
    private let files: FileTrips
    private let output: Output?
    private let target: Target?
    /// There once the body has turned out to be large.
    private var isStreaming: Bool { file != nil }
    private var file: PartialFile?
    private var pending: [UInt8] = []
    private let digest: BodyDigest?
    private var shown: HarmlessBody?
    /// All of the body, what an earlier attempt has stored included.
    private(set) var count = 0

    /// Where a body is stored, and what is known of it.
    struct Target: Sendable {
        var storage: Storage
        var path: StoragePath
        var item: FetchItem
        /// How much an earlier attempt has stored.
        var offset = 0
        var validator: PartialValidator?
        var modified: Int64?
        /// What its validator is to be read from, once the body turns out to need one.
        var response: ClientResponse?

        /// By what the body can be gone on with; nil if by nothing.
        func madeValidator() -> PartialValidator? {
            guard validator == nil, let fields = response?.headers else { return validator }
            return PartialValidator(etag: fields[.eTag], lastModified: fields[.lastModified], date: fields[.date])
        }

        /// ``FetchPlan/asking(_:)``
        var asking = ""

        var partial: PartialFile { storage.partial(at: path, number: item.number, uri: item.uri, asking: asking) }
    }

    struct Stored {
        var file: String?
        var sha256: String?
    }

    /// Bodies are written in pieces of about this size: one trip to a thread each.
    private static let pieceSize = 256 * 1024
    /// Pieces from this size on are hashed on a thread.
    private static let largePiece = 16 * 1024

    init(_ plan: FetchPlan, _ files: FileTrips, output: Output?, target: Target?) {
        self.plan = plan
        self.files = files
        self.output = output
        self.target = target
        digest = plan.hashes ? BodyDigest() : nil
        count = target?.offset ?? 0
        if output != nil, isatty(STDOUT_FILENO) != 0 { shown = HarmlessBody() }
    }

    /// - Parameter length: of what is to come, if that is known.
    func check(length: Int?) throws {
        if let limit = plan.maximumSize, let length, length > limit - count { throw TransferError.tooLarge(limit) }
    }

    /// Continues what an earlier attempt has stored.
    func begin() async throws {
        guard count > 0, let target else { return }
        let file = target.partial
        self.file = file
        try await files.run { try file.begin(at: target.offset, validator: target.validator) }
    }

    /// Hashes are reckoned on a thread.
    private var isShort: Bool { digest == nil }

    func add(_ piece: [UInt8]) async throws {
        count += piece.count
        if let limit = plan.maximumSize, count > limit { throw TransferError.tooLarge(limit) }
        if let output { try await output.write(shown?.add(piece) ?? piece) }
        guard let target else { return try await hash(piece) }
        if pending.isEmpty { pending = piece } else { pending += piece }
        guard pending.count >= Self.pieceSize else { return }
        let bytes = pending
        pending = []
        let (begins, digest, file) = (!isStreaming, digest, file ?? target.partial)
        self.file = file
        let validator = begins ? target.madeValidator() : nil
        try await files.run(isShort: isShort) {
            if begins { try file.begin(at: 0, validator: validator) }
            try file.append(bytes)
            digest?.update(bytes)
        }
    }

    /// The body is at its end.
    func finish() async throws -> Stored {
        if let rest = shown?.finish(), let output { try await output.write(rest) }
        guard let target else { return Stored(sha256: digest?.finish()) }
        let (bytes, digest, file) = (pending, digest, file)
        pending = []
        return try await files.run(isShort: isShort || bytes.count < Self.largePiece) {
            digest?.update(bytes)
            let name: String
            if let file {
                if !bytes.isEmpty { try file.append(bytes) }
                name = try file.finish(modified: target.modified)
            } else {
                name = try target.storage.store(
                    bytes,
                    at: target.path,
                    number: target.item.number,
                    modified: target.modified
                )
            }
            return Stored(file: name, sha256: digest?.finish())
        }
    }

    /// The body has broken off: what there is of it is kept, if it can be continued.
    ///
    /// - Parameter error: why. What the disk had no room for would keep others from being stored, in each run to come; and what is too large
    ///   is not wanted.
    func breakOff(_ error: any Error) async {
        guard let target else { return }
        guard (error as? StorageError)?.isFull != true, (error as? TransferError)?.code != "tooLarge" else {
            let file = file ?? target.partial
            pending = []
            _ = try? await files.run { file.discard() }
            return
        }
        let (bytes, begins, file) = (pending, !isStreaming, file ?? target.partial)
        pending = []
        // What is small is sooner fetched again than continued.
        let validator = !begins || bytes.count >= Self.largePiece ? target.madeValidator() : nil
        guard validator != nil else {
            if !begins { _ = try? await files.run { file.discard() } }
            return
        }
        _ = try? await files.run {
            defer { file.keep() }
            if begins { try file.begin(at: 0, validator: validator) }
            if !bytes.isEmpty { try file.append(bytes) }
        }
    }

    private func hash(_ piece: [UInt8]) async throws {
        guard let digest else { return }
        guard piece.count >= Self.largePiece else { return digest.update(piece) }
        try await files.run { digest.update(piece) }
    }
}
