public import ApusNet
import ApusRuntime

/// Holds a kind of ``ByteStream`` to what the protocol promises: order, ends, half-closing, back-pressure, cancelling, closing, misuse.
///
/// ```swift
/// @Test func myStreamIsAByteStream() async throws {
///     try await withTestLoop {
///         try await checkByteStream { try await MyStream.pair() }
///     }
/// }
/// ```
///
/// - Parameters:
///   - canFinishWriting: false for streams that cannot close one direction only.
///   - pair: makes two streams that are connected to each other. Called once for each promise.
/// - Throws: ``ByteStreamFailure``, which names every promise that was broken; what `pair` throws.
///
/// Cancel safety: the streams of the promise under way are closed.
public func checkByteStream(
    canFinishWriting: Bool = true,
    _ pair: @escaping @Sendable () async throws -> (any ByteStream, any ByteStream)
) async throws {
    var broken: [String] = []
    for promise in ByteStreamPromises.all where canFinishWriting || !promise.needsHalfClose {
        let (near, far) = try await pair()
        do {
            // Long enough for the slowest machine: only a stream that hangs gets there.
            try await withTimeout(.seconds(60)) { try await promise.check(near, far) }
        } catch let failure as ByteStreamPromises.Broken {
            broken.append("\(promise.text): \(failure.reason)")
        } catch {
            broken.append("\(promise.text): \(error)")
        }
        await near.abort()
        await far.abort()
        try Task.checkCancellation()
    }
    if !broken.isEmpty { throw ByteStreamFailure(promises: broken) }
}

/// A stream does not do what ``ByteStream`` promises.
public struct ByteStreamFailure: Error, Sendable, CustomStringConvertible {
    /// The promises that were broken, each with what happened instead.
    public var promises: [String]

    public var description: String {
        "The stream breaks \(promises.count) promises of ByteStream:\n"
            + promises.map { "- \($0)" }.joined(separator: "\n")
    }
}
