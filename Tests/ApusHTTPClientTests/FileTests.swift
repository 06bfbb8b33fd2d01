import ApusNet
import ApusRuntime
import ApusTesting
import Glibc
import Testing

@testable import ApusHTTPClient

@Suite("write(to:)")
struct FileTests {
    private static func contents(_ path: String) -> [UInt8]? {
        guard let file = fopen(path, "r") else { return nil }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 4_000_000)
        let count = fread(&bytes, 1, bytes.count, file)
        return Array(bytes[..<count])
    }

    private static func names(in folder: String) -> [String] {
        guard let directory = opendir(folder) else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    private static func answer(_ bytes: [UInt8]) -> [UInt8] {
        Array(
            "HTTP/1.1 200 OK\r\nLast-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: \(bytes.count)\r\n\r\n"
                .utf8
        ) + bytes
    }

    @Test("a body of any size ends in its file, which replaces the one that was there; nothing else is left")
    func writes() async throws {
        try await withScratchFolder { folder in
            for count in [0, 10, 3_000_000] {
                let bytes = Encoders.prose(count)
                try await withScripts([.expectRequest, .send(Self.answer(bytes), pieces: 30_000)]) { session, _ in
                    let written = try await session.get(someURL).write(to: folder + "/page", FileWriting(syncs: true))
                    #expect(written == count)
                }
                #expect(Self.contents(folder + "/page") == bytes)
                #expect(Self.names(in: folder) == ["page"])
            }
        }
    }

    @Test("devices stay devices, and say that they are full; folders and pipes are refused before anything is lost")
    func devices() async throws {
        try await withScratchFolder { folder in
            mkfifo(folder + "/pipe", 0o600)
            mkdir(folder + "/folder", 0o700)
            // By a link in a folder of ours: a mistake here must not cost the system its devices.
            symlink("/dev/null", folder + "/null")
            symlink("/dev/full", folder + "/full")
            try await withScripts(
                script: { _ in (0..<4).flatMap { _ in [.expectRequest, .send(Self.answer([1, 2]))] } }
            ) { session, _ in
                let count = try await session.get(someURL).write(to: folder + "/null", FileWriting(syncs: true))
                #expect(count == 2)
                for (name, says) in [("full", "No space"), ("pipe", "in its place"), ("folder", "in its place")] {
                    let error = await clientError { try await session.get(someURL).write(to: "\(folder)/\(name)") }
                    #expect(error?.code == .fileFailed)
                    #expect(error?.message.contains(says) == true, "\(String(describing: error))")
                }
            }
            #expect(Self.names(in: folder) == ["folder", "full", "null", "pipe"])
            var facts = stat()
            for (name, kind) in [("full", S_IFCHR), ("null", S_IFCHR), ("pipe", S_IFIFO), ("folder", S_IFDIR)] {
                #expect(stat("\(folder)/\(name)", &facts) == 0 && facts.st_mode & S_IFMT == kind)
            }
        }
    }

    @Test("what only its owner may read stays so")
    func permissions() async throws {
        try await withScratchFolder { folder in
            close(creat(folder + "/page", 0o600))
            try await withScripts([.expectRequest, .send(Self.answer([1]))]) { session, _ in
                _ = try await session.get(someURL).write(to: folder + "/page")
            }
            var facts = stat()
            #expect(stat(folder + "/page", &facts) == 0 && facts.st_mode & 0o777 == 0o600 && facts.st_size == 1)
        }
    }

    @Test("the file can have the time of Last-Modified")
    func time() async throws {
        try await withScratchFolder { folder in
            try await withScripts([.expectRequest, .send(Self.answer([1]))]) { session, _ in
                _ = try await session.get(someURL).write(to: folder + "/page", FileWriting(keepsModificationTime: true))
            }
            var facts = stat()
            #expect(stat(folder + "/page", &facts) == 0 && facts.st_mtim.tv_sec == 784_111_777)
        }
    }

    @Test("a body that breaks off leaves the file as it was, and nothing beside it")
    func cut() async throws {
        try await withScratchFolder { folder in
            try await withScripts(
                [
                    .expectRequest, .send(Self.answer([1, 2])), .expectRequest,
                    .send(Self.answer(Encoders.prose(900_000)).dropLast(1).map { $0 }), .finish,
                ]
            ) { session, _ in
                _ = try await session.get(someURL).write(to: folder + "/page")
                let error = await clientError { try await session.get(someURL).write(to: folder + "/page") }
                #expect(error?.code == .closedInBody)
            }
            #expect(Self.contents(folder + "/page") == [1, 2])
            #expect(Self.names(in: folder) == ["page"])
        }
    }

    @Test("a cancelled one leaves nothing")
    func cancelled() async throws {
        try await withScratchFolder { folder in
            let began = Flag()
            try await withScripts(
                [
                    .expectRequest, .send(Array(Self.answer(Encoders.prose(900_000)).dropLast(1))),
                    .perform { began.raise() }, .stall,
                ]
            ) { session, _ in
                let task = EventLoop.spawn { try await session.get(someURL).write(to: folder + "/page") }
                await until { began.isRaised && !Self.names(in: folder).isEmpty }
                task.cancel()
                await #expect(throws: CancellationError.self) { try await task.value }
            }
            #expect(Self.names(in: folder) == [])
        }
    }

    @Test("a full disk is told as such, and nothing is left")
    func full() async throws {
        try await withScratchFolder { folder in
            try await withScripts([.expectRequest, .send(Self.answer(Encoders.prose(900_000)))]) { session, _ in
                let response = try await session.get(someURL)
                let room = Counter()
                let file = try OutputFile(path: folder + "/page") { descriptor, bytes, count in
                    if room.value > 300_000 {
                        errno = ENOSPC
                        return -1
                    }
                    room.add(count)
                    return write(descriptor, bytes, count)
                }
                let error = await clientError { try await response.write(to: file, FileWriting()) }
                #expect(error?.code == .fileFailed)
                #expect(error?.message.contains("No space left on device") == true)
            }
            #expect(Self.names(in: folder) == [])
        }
    }

    @Test("a folder that is missing, a name that is none, and a limit that is reached")
    func refused() async throws {
        try await withScratchFolder { folder in
            for path in [folder + "/missing/page", "", folder + "/", "a\u{0}b"] {
                try await withScripts([.expectRequest, .send(Self.answer([1]))]) { session, _ in
                    let error = await clientError { try await session.get(someURL).write(to: path) }
                    #expect(error?.code == .fileFailed, "\(path)")
                }
            }
            try await withScripts([.expectRequest, .send(Self.answer(Encoders.prose(500_000)))]) { session, _ in
                let error = await clientError {
                    try await session.get(someURL).write(to: folder + "/page", FileWriting(limit: 400_000))
                }
                #expect(error?.code == .bodyTooLarge)
            }
            #expect(Self.names(in: folder) == [])
        }
    }
}
