import ApusWire

/// A body being decoded: coded bytes go in, and plain ones come out in pieces of at most 256 KiB, as they are asked for.
final class ContentDecoding {
    /// Why a body cannot be decoded, or not further.
    struct Failure: Error {
        var code: ClientError.Code
        var message: String
    }

    private final class Stage {
        let coding: ContentCoding
        let decoder: any ContentDecoder
        /// Whether it has more for which there was no room.
        var hasMore = false
        var hasBegun = false
        /// What it has made so far.
        var produced = 0
        var failure: Failure?

        init(_ coding: ContentCoding, _ decoder: any ContentDecoder) {
            self.coding = coding
            self.decoder = decoder
        }
    }

    static let pieceSize = 256 * 1024
    private static let middleSize = 64 * 1024
    /// Up to here any ratio will do.
    static let freeOutput = 8 * 1024 * 1024
    /// Beyond, one byte received may have become this many.
    static let ratioLimit = 200
    /// Bytes behind the end of a coding that are overlooked.
    static let paddingLimit = 64 * 1024
    /// What may come in without anything coming out, besides as much as has come out twice over.
    static let fruitlessLimit = 1024 * 1024

    private let stages: [Stage]
    private var input: [UInt8] = []
    private var offset = 0
    /// Between two stages.
    private var middle: [UInt8] = []
    private var middleRange = 0..<0
    private var received = 0
    private var padding = 0
    private var wasFull = false
    private var failure: Failure?

    init(_ plan: ContentPlan) {
        switch plan {
        case .decode(let codings):
            stages = codings.compactMap { coding in coding.makeDecoder().map { Stage(coding, $0) } }
            if stages.count > 1 { middle = [UInt8](repeating: 0, count: Self.middleSize) }
        case .tooMany(let count):
            stages = []
            failure = Failure(
                code: .decompressionLimit,
                message: "The body has \(count) codings, one upon the other; at most \(ContentPlan.limit) are undone. "
                    + "`decompress: false` gives the body as it came."
            )
        }
    }

    /// Takes coded bytes. Those before have to be used up: ``next(hint:)`` has said nil.
    func feed(_ bytes: [UInt8]) {
        input = bytes
        offset = 0
        received += bytes.count
    }

    /// The next piece, of at least one byte; nil if more input is needed.
    ///
    /// - Parameter hint: how many bytes to expect, if that is known.
    /// - Throws: what is wrong with the input, once all that was good before it has been given out.
    func next(hint: Int = 0) throws(Failure) -> [UInt8]? {
        guard failure == nil, hasWork else {
            if let failure { throw failure }
            return nil
        }
        let estimate = hint > 0 ? hint : wasFull || offset == input.count ? Self.pieceSize : 4 * (input.count - offset)
        let capacity = min(Self.pieceSize, max(1024, estimate))
        let piece = [UInt8](unsafeUninitializedCapacity: capacity) { buffer, count in
            count = fill(UnsafeMutableRawBufferPointer(buffer))
            wasFull = count == capacity
        }
        if offset == input.count, offset > 0 {
            input = []
            offset = 0
        }
        // Who keeps a piece should not keep the room that it did not need.
        if !piece.isEmpty { return piece.count < capacity / 4 ? Array(piece[...]) : piece }
        if let failure { throw failure }
        return nil
    }

    /// The coded bytes are over.
    ///
    /// - Throws: if the coding does not end there.
    func finish() throws(Failure) {
        if let failure { throw failure }
        for stage in stages where stage.hasBegun && !stage.decoder.isWhole {
            let failure = Failure(
                code: .truncatedContent,
                message: "The body is over, but its \(stage.coding) data is not: \(received) bytes were not enough. "
                    + "What was decoded before is good."
            )
            self.failure = failure
            throw failure
        }
    }

    // MARK: Steps

    private var hasWork: Bool {
        offset < input.count || !middleRange.isEmpty || stages.contains { $0.hasMore || $0.failure != nil }
    }

    private func fill(_ output: UnsafeMutableRawBufferPointer) -> Int {
        guard let first = stages.first, let last = stages.last else { return 0 }
        if first === last { return input.withUnsafeBytes { decode(first, $0, &offset, into: output) } }
        var produced = 0
        while produced < output.count, failure == nil {
            produced += middle.withUnsafeBytes { bytes in
                var used = 0
                let made = decode(
                    last,
                    UnsafeRawBufferPointer(rebasing: bytes[middleRange]),
                    &used,
                    into: UnsafeMutableRawBufferPointer(rebasing: output[produced...])
                )
                middleRange = middleRange.lowerBound + used..<middleRange.upperBound
                return made
            }
            // What was good before a failure of the first has to go through the last one, too.
            if let upstream = first.failure, middleRange.isEmpty, !last.hasMore { failure = upstream }
            guard produced < output.count, failure == nil, offset < input.count || first.hasMore else { break }
            let made = input.withUnsafeBytes { bytes in
                middle.withUnsafeMutableBytes { decode(first, bytes, &offset, into: $0) }
            }
            middleRange = 0..<made
            if made == 0, first.failure == nil { break }
        }
        return produced
    }

    /// Runs one stage until its input is used up, or its output full, or something is wrong.
    private func decode(
        _ stage: Stage,
        _ input: UnsafeRawBufferPointer,
        _ offset: inout Int,
        into output: UnsafeMutableRawBufferPointer
    ) -> Int {
        var produced = 0
        while produced < output.count, stage.failure == nil, offset < input.count || stage.hasMore {
            stage.hasBegun = stage.hasBegun || offset < input.count
            if stage.decoder.isFinished {
                padding += input.count - offset
                offset = input.count
                stage.hasMore = false
                if padding > Self.paddingLimit { fail(stage, .corruptContent, "more than padding follows its end") }
                break
            }
            let room = output.count - produced
            let step = stage.decoder.decode(
                UnsafeRawBufferPointer(rebasing: input[offset...]),
                into: UnsafeMutableRawBufferPointer(rebasing: output[produced...])
            )
            offset += step.consumed
            produced += step.produced
            stage.produced += step.produced
            stage.hasMore = step.produced == room && !stage.decoder.isWhole
            if let message = step.failure {
                fail(stage, .corruptContent, message)
            } else if step.consumed == 0, step.produced == 0, !stage.decoder.isFinished {
                if offset < input.count { fail(stage, .corruptContent, "it does not go on") }
                break
            }
            checkRatio(stage)
        }
        if stage === stages.last, stage.failure != nil { failure = stage.failure }
        return produced
    }

    private func fail(_ stage: Stage, _ code: ClientError.Code, _ message: String) {
        stage.hasMore = false
        stage.failure = Failure(
            code: code,
            message: "The body's \(stage.coding) data is wrong after \(stage.produced) good bytes: \(message)."
        )
    }

    private func checkRatio(_ stage: Stage) {
        guard stage.failure == nil else { return }
        if stage.produced > Self.freeOutput, stage.produced / Self.ratioLimit > received {
            stage.failure = limit(
                "\(received) bytes have become \(stage.produced) already, more than \(Self.ratioLimit):1"
            )
        } else if stage === stages.last, received > Self.fruitlessLimit,
            received - Self.fruitlessLimit > 2 * stage.produced
        {
            stage.failure = limit("\(received) bytes have become only \(stage.produced)")
        }
    }

    private func limit(_ what: String) -> Failure {
        Failure(
            code: .decompressionLimit,
            message: "The body looks like a decompression bomb: \(what). `decompress: false` gives it as it came."
        )
    }
}
