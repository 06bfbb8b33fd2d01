// asyncio's connect_read_pipe and connect_write_pipe.

import Apus

enum PipeUse {
    static func run(_ base: String) async throws {
        let (near, far) = try await PipeStream.pair()
        try await near.write("one\ntwo\n")
        await near.finishWriting()
        var lines: [String] = []
        for try await line in BufferedReader(far).lines { lines.append(line) }
        try expect(lines == ["one", "two"], "the lines of a pipe")
        try await far.write("three", timeout: .seconds(10))
        let answer = try await near.read(upTo: 5, timeout: .seconds(10))
        try expect(answer == Array("three".utf8), "the other direction")
        await near.close()
        await far.close()

        let null = try await PipeStream.open(path: "/dev/null", for: .both)
        try await null.write("nothing")
        try expect(try await null.read().isEmpty, "the end")
        await null.close()

        let output = try await PipeStream.standardOutput()
        try await output.write("")
        await output.close()
    }
}
