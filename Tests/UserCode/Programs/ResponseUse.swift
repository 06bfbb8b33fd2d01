// What a response can be read as, and what it tells.

import Apus

enum ResponseUse {
    static func run(_ base: String) async throws {
        try await ClientSession.with { session in
            try await readings(session, base)
            try await facts(session, base)
            try await streams(session, base)
        }
    }

    private static func readings(_ session: ClientSession, _ base: String) async throws {
        let text = try await session.get("\(base)/hello").text(encoding: "gb18030", strict: true, limit: 100)
        try expect(text == "hello ", "a text in a named encoding")
        var lines: [String] = []
        for try await line in try await session.get("\(base)/chunks").lines { lines.append(line) }
        try expect(lines.count == 5 && lines[4] == "chunk 5", "lines")
        for try await line in try await session.get("\(base)/chunks").lines(limit: 100) {
            try expect(!line.isEmpty, "a line")
        }
        let coded = try await session.get("\(base)/hello", options: RequestOptions(decompress: false)).bytes()
        try expect(coded.count == 6, "as it came")
        do {
            let nowhere = "/no-such-folder/page"
            try await session.get("\(base)/hello").write(
                to: nowhere,
                FileWriting(syncs: true, keepsModificationTime: true, limit: 9)
            )
            throw Unexpected(description: "there is no such folder")
        } catch let error as ClientError {
            try expect(error.code == .fileFailed, "the file's error")
        }
    }

    private static func facts(_ session: ClientSession, _ base: String) async throws {
        let response = try await session.get("\(base)/hello")
        try expect(response.isOK && response.version == "HTTP/1.1" && response.reason == "OK", "status line")
        try expect(response.contentType?.essence == "text/plain" && response.contentType?.charset == "utf-8", "type")
        try expect(
            response.contentDisposition == nil && response.links.isEmpty && response.lastModified == nil,
            "fields"
        )
        try expect(response.remoteAddress != nil && response.localAddress != nil && response.tls == nil, "addresses")
        let timings = await response.timings
        try expect(timings.total != nil && timings.firstByte >= .zero, "timings")
        do {
            _ = try await session.get("\(base)/missing", options: RequestOptions(raiseForStatus: true))
            throw Unexpected(description: "404 is no success")
        } catch let error as ClientError {
            try expect(error.status == .notFound && error.bodyPrefix.isEmpty, "the status as an error")
        }
    }

    private static func streams(_ session: ClientSession, _ base: String) async throws {
        do {
            for try await part in try await session.get("\(base)/hello").parts { _ = try await part.text() }
            throw Unexpected(description: "that is no multipart")
        } catch let error as ClientError {
            try expect(error.code == .unexpectedContentType, "parts")
        }
        var events: [String] = []
        for try await event in try await session.get("\(base)/events").events { events.append(event.data) }
        try expect(events == ["1", "2"], "events")
        let policy = EventReconnection(backoff: .constant(.milliseconds(1)), failureLimit: 2)
        var iterator = session.events("\(base)/events", reconnecting: policy).makeAsyncIterator()
        for expected in ["1", "2", "1"] {
            let event = try await iterator.next()
            try expect(event?.data == expected, "through connections")
        }
    }
}
