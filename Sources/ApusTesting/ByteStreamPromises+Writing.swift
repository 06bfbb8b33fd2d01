import ApusNet
import ApusRuntime

extension ByteStreamPromises {
    static let writing: [Promise] = [
        Promise(text: "writing nothing does nothing") { near, far in
            try await near.write([])
            try await near.write(vector: [[], []])
            try await near.write("x")
            let bytes = try await far.read()
            try expect(bytes == Array("x".utf8), "\(bytes)")
        },
        Promise(text: "a slice is written, and not the array around it") { near, far in
            try await near.write(Array("-abc-".utf8)[1..<4])
            let bytes = try await readExactly(3, far)
            try expect(bytes == Array("abc".utf8), "\(bytes)")
        },
        Promise(text: "pieces are written in their order, empty, small and large ones") { near, far in
            let pieces = (0..<2_500).map { pattern($0 % 7 == 0 ? 0 : $0 % 501 == 0 ? 100_000 : $0 % 13) }
            let whole = pieces.flatMap(\.self)
            async let sent: Void = near.write(vector: pieces)
            let got = try await readExactly(whole.count, far)
            try await sent
            try expect(got == whole, "other bytes came")
        },
        Promise(text: "a writer waits when nobody reads, and everything is there in the end") { near, far in
            let piece = pattern(65_536)
            var written = 0
            do {
                // No stream may take a gigabyte that nobody reads.
                while written < 1 << 30 {
                    try await near.write(piece[...], timeout: .milliseconds(20))
                    written += piece.count
                }
                throw Broken(reason: "it took a gigabyte that nobody read")
            } catch let error as NetError where error.code == .timedOut {
                // A part of the last piece may have been written.
            }
            let got = try await readExactly(written, far)
            let isWhole = stride(from: 0, to: written, by: piece.count).allSatisfy {
                got[$0..<$0 + piece.count].elementsEqual(piece)
            }
            try expect(isWhole, "other bytes came")
        },
        Promise(text: "a write to a peer that is gone is an error") { near, far in
            await far.close()
            let code = try await code {
                // The first ones may go into the system's buffer before it knows.
                for _ in 0..<10_000 { try await near.write(pattern(1_000)) }
            }
            try expect(
                [.brokenPipe, .connectionReset].contains(code),
                "\(code) instead of brokenPipe or connectionReset"
            )
        },
    ]

    static let ending: [Promise] = [
        Promise(
            text: "after the peer has finished writing, reads say so for ever, and writing goes on",
            needsHalfClose: true
        ) {
            near,
            far in
            try await near.write("question")
            await near.finishWriting()
            await near.finishWriting()
            let question = try await readExactly(8, far)
            try expect(question == Array("question".utf8), "\(question)")
            for _ in 0..<3 {
                let end = try await far.read()
                try expect(end.isEmpty, "\(end) instead of the end")
            }
            try await far.write("answer")
            await far.close()
            let answer = try await readExactly(6, near)
            try expect(answer == Array("answer".utf8), "\(answer)")
            let end = try await near.read()
            try expect(end.isEmpty, "\(end) instead of the end")
        },
        Promise(text: "writing after finishWriting() is an error", needsHalfClose: true) { near, far in
            await near.finishWriting()
            let code = try await code { try await near.write("more") }
            try expect(code == .brokenPipe, "\(code) instead of brokenPipe")
            let end = try await far.read()
            try expect(end.isEmpty, "\(end) instead of the end")
        },
        Promise(text: "what was written before a close arrives, and then the end") { near, far in
            let bytes = pattern(100_000)
            async let sent: Void = { () async throws in
                try await near.write(bytes)
                await near.close()
            }()
            let got = try await readExactly(bytes.count, far)
            try await sent
            let end = try await far.read()
            try expect(got == bytes, "other bytes came")
            try expect(end.isEmpty, "\(end.count) bytes instead of the end")
        },
        Promise(text: "closing ends a read that waits, and every later operation, with closed") { near, far in
            async let reading = code { _ = try await near.read() }
            await Task.yield()
            await near.close()
            await near.close()
            let codes = [
                try await reading,
                try await code { _ = try await near.read() },
                try await code { try await near.write("x") },
                try await code { try await near.write(vector: [[1], [2]]) },
            ]
            try expect(codes.allSatisfy { $0 == .closed }, "\(codes)")
            await near.finishWriting()
            await near.abort()
            let end = try await far.read()
            try expect(end.isEmpty, "\(end) instead of the end")
        },
        Promise(text: "breaking off ends the peer's reads") { near, far in
            await near.abort()
            do {
                let end = try await far.read()
                try expect(end.isEmpty, "\(end) came from nowhere")
            } catch let error as NetError {
                try expect(error.code == .connectionReset, "\(error.code)")
            }
        },
    ]

    static let misuse: [Promise] = [
        Promise(text: "a second reader is told that the stream is busy, and the first reads on") { near, far in
            try await withThrowingTaskGroup(of: [UInt8]?.self) { group in
                for _ in 0..<2 {
                    group.addTask {
                        do {
                            return try await far.read()
                        } catch let error as NetError where error.code == .busy {
                            return nil
                        }
                    }
                }
                // One of the two must be told before there is anything to read.
                let told = try await group.next() ?? []
                try expect(told == nil, "both readers were let in")
                try await near.write("1")
                let got = try await group.next() ?? nil
                try expect(got == [49], "\(got ?? []) was read")
            }
        },
        Promise(text: "an offset outside the array is refused") { near, _ in
            var buffer = [UInt8](repeating: 0, count: 4)
            for offset in [-1, 4, 5, .max] {
                let code = try await code { _ = try await near.read(into: &buffer, startingAt: offset, timeout: nil) }
                try expect(code == .invalidArgument, "\(code) for an offset of \(offset)")
            }
        },
        Promise(text: "a file that is not there, or is none, is an error of its own") { near, _ in
            for path in ["/nonexistent/file", "/dev/null", "", "a\0b"] {
                let code = try await code { try await near.sendFile(path) }
                try expect(code == .file || code == .invalidArgument, "\(code) for “\(path)”")
            }
        },
    ]
}
