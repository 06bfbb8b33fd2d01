import ApusNet
import ApusWire
import HTTPTypes

/// A multipart with its files opened: what is sent, piece by piece.
struct MultipartUpload: Sendable {
    /// The bytes of a part that are not in the plan.
    enum Source: Sendable {
        case file(SourceFile)
        case written(RequestBody.WrittenBody)
    }

    let plan: MultipartPlan
    let sources: [Source]
    /// Whether it can be sent more than once.
    let isRestartable: Bool

    /// Opens the files.
    ///
    /// - Throws: ``NetError`` for a file, ``MultipartError`` for a part.
    init(_ multipart: Multipart) async throws {
        var sources: [Source] = []
        plan = try await Self.plan(multipart, &sources)
        self.sources = sources
        isRestartable = sources.allSatisfy {
            if case .written(let body) = $0 { body.isRestartable } else { true }
        }
    }

    private static func plan(_ multipart: Multipart, _ sources: inout [Source]) async throws -> MultipartPlan {
        var plan = MultipartPlan(boundary: multipart.boundary)
        for (fields, content) in multipart.parts {
            switch content {
            case .nested(let nested):
                try plan.append(fields, nested: await self.plan(nested, &sources), subtype: nested.subtype)
            case .body(let body):
                try await append(body, fields, to: &plan, &sources)
            }
        }
        return plan
    }

    private static func append(
        _ body: RequestBody,
        _ fields: HTTPFields,
        to plan: inout MultipartPlan,
        _ sources: inout [Source]
    ) async throws {
        var fields = fields
        if fields[.contentType] == nil, !body.contentType.isEmpty { fields[.contentType] = body.contentType }
        switch body.content {
        case .bytes(let bytes): try plan.append(fields, bytes: bytes)
        case .file(let path, let range):
            let file = try await SourceFile(path: path, range: range)
            try plan.append(fields, source: sources.count, length: file.range.count)
            sources.append(.file(file))
        case .written(let written):
            try plan.append(fields, source: sources.count, length: written.length)
            sources.append(.written(written))
        case .multipart(let nested):
            try plan.append(fields, nested: await self.plan(nested, &sources), subtype: nested.subtype)
        }
    }
}
