import ApusNet
import ApusRuntime
import Synchronization

/// What ``checkByteStream(canFinishWriting:_:)`` checks, one by one.
enum ByteStreamPromises {
    struct Promise: Sendable {
        var text: String
        var needsHalfClose = false
        var check: @Sendable (_ near: any ByteStream, _ far: any ByteStream) async throws -> Void
    }

    struct Broken: Error {
        var reason: String
    }

    static func expect(_ condition: Bool, _ reason: @autoclosure () -> String) throws(Broken) {
        if !condition { throw Broken(reason: reason()) }
    }

    /// The code of the error that `body` throws.
    static func code(_ body: () async throws -> Void) async throws -> NetError.Code {
        do {
            try await body()
        } catch let error as NetError {
            return error.code
        }
        throw Broken(reason: "no error was thrown")
    }

    static func readExactly(_ count: Int, _ stream: any ByteStream) async throws -> [UInt8] {
        var result: [UInt8] = []
        while result.count < count {
            let bytes = try await stream.read(upTo: min(65_536, count - result.count))
            if bytes.isEmpty { throw Broken(reason: "the stream ended after \(result.count) of \(count) bytes") }
            result += bytes
        }
        return result
    }

    /// As ``readExactly(_:_:)``, with the calls that fill an array.
    private static func readInPlace(_ count: Int, _ stream: any ByteStream) async throws -> [UInt8] {
        var result = [UInt8](repeating: 0, count: count)
        var end = 0
        while end < count {
            let more = try await stream.read(into: &result, startingAt: end, timeout: nil)
            if more == 0 { throw Broken(reason: "the stream ended after \(end) of \(count) bytes") }
            end += more
        }
        return result
    }

    /// Writes and reads on the global pool.
    @concurrent
    private static func sendElsewhere(
        _ bytes: [UInt8],
        _ near: any ByteStream,
        _ far: any ByteStream
    ) async throws -> [UInt8] {
        async let got = readInPlace(bytes.count, far)
        try await near.write(bytes)
        return try await got
    }

    /// Bytes whose order shows: no two stretches of it are alike for long.
    static func pattern(_ count: Int) -> [UInt8] {
        var state: UInt32 = 2_463_534_242
        return (0..<count).map { _ in
            state ^= state << 13
            state ^= state >> 17
            state ^= state << 5
            return UInt8(truncatingIfNeeded: state)
        }
    }

    static let all: [Promise] = reading + writing + ending + misuse

    // MARK: Reading

    private static let reading: [Promise] = [
        Promise(text: "bytes arrive whole and in order, both ways at once") { near, far in
            let bytes = pattern(1_000_000)
            async let sentNear: Void = near.write(bytes)
            async let sentFar: Void = far.write(Array(bytes.reversed()))
            async let gotFar = readExactly(bytes.count, far)
            async let gotNear = readExactly(bytes.count, near)
            let (atFar, atNear) = try await (gotFar, gotNear)
            _ = try await (sentNear, sentFar)
            try expect(atFar == bytes, "what one side wrote is not what the other read")
            try expect(atNear == bytes.reversed(), "what one side wrote is not what the other read")
        },
        Promise(text: "a read returns at most what it was allowed, and the next one the rest") { near, far in
            try await near.write("abcdef")
            let first = try await far.read(upTo: 4)
            try expect(first.count <= 4, "\(first.count) bytes instead of at most 4")
            let rest = try await readExactly(6 - first.count, far)
            try expect(first + rest == Array("abcdef".utf8), "\(first) and \(rest)")
        },
        Promise(text: "reading into an array fills it from the offset on, and leaves the rest alone") { near, far in
            try await near.write("xyz")
            var buffer = [UInt8](repeating: 1, count: 6)
            var end = 2
            while end < 5 {
                let count = try await far.read(into: &buffer, startingAt: end, timeout: nil)
                try expect(count > 0, "the stream has ended")
                end += count
            }
            try expect(buffer == [1, 1] + Array("xyz".utf8) + [1], "\(buffer)")
        },
        Promise(text: "a read that times out loses nothing") { near, far in
            let code = try await code { _ = try await far.read(upTo: 10, timeout: .milliseconds(1)) }
            try expect(code == .timedOut, "\(code) instead of timedOut")
            try await near.write("late")
            let bytes = try await readExactly(4, far)
            try expect(bytes == Array("late".utf8), "\(bytes)")
        },
        Promise(text: "a read that is cancelled loses nothing") { near, far in
            try await withThrowingTaskGroup(of: Bool.self) { group in
                group.addTask {
                    do {
                        _ = try await far.read()
                        return false
                    } catch is CancellationError {
                        return true
                    }
                }
                // Wherever the read is by then, before its first wait or in it.
                await Task.yield()
                group.cancelAll()
                let wasCancelled = try await group.next() ?? false
                try expect(wasCancelled, "the read went on")
            }
            try await near.write("late")
            let bytes = try await readExactly(4, far)
            try expect(bytes == Array("late".utf8), "\(bytes)")
        },
        Promise(text: "it may be used from the global pool") { near, far in
            let bytes = pattern(200_000)
            let got = try await sendElsewhere(bytes, near, far)
            try expect(got == bytes, "other bytes came")
        },
    ]
}
