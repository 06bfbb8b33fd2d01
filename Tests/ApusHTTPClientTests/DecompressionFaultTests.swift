import ApusHTTPClient
import ApusTesting
import HTTPTypes
import Testing

@Suite("Coded bodies that are wrong")
struct DecompressionFaultTests {
    private static let plain = Encoders.prose(3_000)

    @Test("a coded body that is cut at any byte gives its good bytes, and then says so")
    func truncated() async throws {
        for (coding, bytes) in Encoders.all(Self.plain) {
            for count in 1..<bytes.count {
                let cut = Array(bytes[..<count])
                // By turns whole with the head, and streamed.
                let answer = count % 2 == 0 ? coded(coding, cut) : codedInChunks(coding, cut, size: 500)
                try await withScripts([.expectRequest, .send(answer, pieces: count % 3 == 0 ? 40 : 0)]) { session, _ in
                    let response = try await session.get(someURL)
                    let (good, _, error) = await goodBytes(response)
                    #expect(error?.code == .truncatedContent, "\(coding) cut at \(count): \(String(describing: error))")
                    #expect(Self.plain.starts(with: good))
                    let again = await clientError { try await response.bytes() }
                    #expect(again != nil, "and it stays an error")
                }
            }
        }
    }

    @Test("a truncated gzip body gives nearly all that can be known of it")
    func goodBytesFirst() async throws {
        let plain = Encoders.prose(2_000_000)
        let bytes = Encoders.deflate(plain)
        for piece in [0, 20_000] {
            let answer = coded("gzip", Array(bytes.dropLast(8)))
            try await withScripts([.expectRequest, .send(answer, pieces: piece)]) { session, _ in
                let (good, _, error) = await goodBytes(try await session.get(someURL))
                #expect(error?.code == .truncatedContent)
                #expect(good == plain, "only the check sum was missing")
            }
        }
    }

    @Test("a connection cut at any byte of a chunked, coded response is an error of the connection")
    func cut() async throws {
        let answer = codedInChunks("gzip", Encoders.deflate(Self.plain), size: 100)
        for count in 0..<answer.count {
            try await withScripts([.expectRequest, .send(Array(answer[..<count])), .finish]) { session, _ in
                do {
                    let (good, _, error) = await goodBytes(try await session.get(someURL))
                    #expect(error?.code == .closedInBody, "cut at \(count)")
                    #expect(Self.plain.starts(with: good))
                } catch let error as ClientError {
                    #expect([.connectionClosed, .closedInHead].contains(error.code), "cut at \(count)")
                }
            }
        }
    }

    @Test("a flipped byte is found, or makes no difference; it never makes other bytes that look good")
    func corrupt() async throws {
        for (coding, bytes) in Encoders.all(Self.plain) where coding == "gzip" {
            for index in bytes.indices {
                var wrong = bytes
                wrong[index] ^= 0x55
                let answer = coded(coding, wrong)
                try await withScripts([.expectRequest, .send(answer)]) { session, _ in
                    let (good, _, error) = await goodBytes(try await session.get(someURL))
                    if let error {
                        #expect([.corruptContent, .truncatedContent].contains(error.code))
                    } else {
                        #expect(good == Self.plain, "byte \(index)")
                    }
                }
            }
        }
    }

    @Test("what is not of its coding at all", arguments: ["gzip", "deflate", "br", "zstd"])
    func garbage(coding: String) async throws {
        for text in ["<html>not coded at all, whatever the head says</html>", "\u{1F}", "\u{1F}\u{8B}"] {
            try await withScripts([.expectRequest, .send(coded(coding, Array(text.utf8)))]) { session, _ in
                let response = try await session.get(someURL)
                let error = await clientError { try await response.text() }
                #expect([.corruptContent, .truncatedContent].contains(error?.code))
                #expect(response.status == .ok)
            }
        }
    }

    @Test("an empty member is an empty body; a member's header alone is truncated")
    func emptyGzip() async throws {
        let empty = Encoders.gzip("")
        try await withScripts([.expectRequest, .send(coded("gzip", empty))]) { session, _ in
            let bytes = try await session.get(someURL).bytes()
            #expect(bytes.isEmpty)
        }
        try await withScripts([.expectRequest, .send(coded("gzip", Array(empty[..<10])))]) { session, _ in
            let error = await clientError { try await session.get(someURL).bytes() }
            #expect(error?.code == .truncatedContent)
        }
    }

    @Test("a bomb ends at 8 MiB plus what its bytes allow, in every coding, alone and stacked")
    func bombs() async throws {
        let zeros = [UInt8](repeating: 0, count: 64 * 1024 * 1024)
        var bombs = Encoders.all(zeros)
        bombs.append(("gzip, gzip", Encoders.deflate(Encoders.deflate(zeros, level: 9), level: 9)))
        for (coding, bytes) in bombs {
            #expect(bytes.count < zeros.count / 200, "\(coding) is a bomb")
            for size in [bytes.count, 700] {
                let answer = codedInChunks(coding, bytes, size: size)
                try await withScripts([.expectRequest, .send(answer, pieces: 10_000)]) { session, _ in
                    var count = 0
                    var code: ClientError.Code?
                    do {
                        for try await piece in try await session.get(someURL).body { count += piece.count }
                    } catch let error as ClientError {
                        code = error.code
                    }
                    #expect(code == .decompressionLimit, "\(coding)")
                    #expect(count >= 8 * 1024 * 1024 && count <= 8 * 1024 * 1024 + 200 * bytes.count + 256 * 1024)
                }
            }
        }
    }

    @Test("coded bytes without end that become nothing are a bomb, too")
    func fruitless() async throws {
        let empty = Encoders.gzip("")
        var bytes: [UInt8] = []
        while bytes.count < 3_000_000 { bytes += empty }
        let answer = coded("gzip", bytes)
        try await withScripts([.expectRequest, .send(answer)]) { session, _ in
            let error = await clientError { try await session.get(someURL).bytes() }
            #expect(error?.code == .decompressionLimit)
        }
    }

    @Test("padding behind the end is overlooked up to 64 KiB")
    func padding() async throws {
        for (count, isTooMuch) in [(60_000, false), (70_000, true)] {
            let bytes = Encoders.gzip("x") + [UInt8](repeating: 0, count: count)
            try await withScripts([.expectRequest, .send(coded("gzip", bytes))]) { session, _ in
                let (good, _, error) = await goodBytes(try await session.get(someURL))
                #expect(good == [0x78])
                #expect(error?.code == (isTooMuch ? .corruptContent : nil))
            }
        }
    }
}
