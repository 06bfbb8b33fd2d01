import ApusRuntime
import ApusWire
public import HTTPTypes
public import Logging

/// Writes a line per request to a log: method, URL, status or error, and time.
///
/// ```swift
/// configuration.middleware = [RequestLogging(level: .info)]
/// // GET https://api.example/users?…: 200 in 12 ms
/// ```
///
/// What may be secret is left out: userinfo, query and fragment of URLs, bodies, and values of header fields, but for those that are
/// named. `Authorization`, `Cookie`, `Set-Cookie` and everything whose name sounds like a credential is left out even then. Values that are
/// URLs (`Location`, `Referer`…) are shown without their query. It logs when the response's head is there; the body's time is not counted.
///
/// The metadata has the same facts for machines: `method`, `url`, `status` or `error`, `milliseconds`, `redirects`.
public struct RequestLogging: ClientMiddleware {
    /// Which header fields are shown.
    public enum Headers: Sendable, Hashable {
        case none
        /// The names of all.
        case names
        /// The names of all, and the values of these.
        case values(Set<HTTPField.Name>)
    }

    private let logger: Logger?
    private let level: Logger.Level
    private let failureLevel: Logger.Level
    private let headers: Headers

    /// - Parameters:
    ///   - logger: where; nil for the session's ``ClientSession/Configuration/logger``.
    ///   - level: of requests that were answered with a status below 500.
    ///   - failureLevel: of those that failed, or were answered with 500 or more; nil for `level`. Cancelled ones are not failures.
    ///   - headers: which header fields are shown, at the end of the line.
    public init(
        logger: Logger? = nil,
        level: Logger.Level = .debug,
        failureLevel: Logger.Level? = nil,
        headers: Headers = .none
    ) {
        self.logger = logger
        self.level = level
        self.failureLevel = failureLevel ?? level
        self.headers = headers
    }

    public func handle(_ request: ClientRequest, next: ClientRequest.Next) async throws -> ClientResponse {
        let core = request.exchange.core
        let logger = logger ?? core.configuration.logger
        // What is not logged costs nothing.
        guard max(level, failureLevel) >= logger.logLevel else { return try await next(request) }
        let start = core.loop.currentTime()
        do {
            let response = try await next(request)
            let status = response.head.statusCode
            let origin = response.cacheStatus.map { ", \($0.rawValue)" } ?? ""
            log(
                logger,
                status >= 500 ? failureLevel : level,
                request,
                "\(status)",
                ["status": "\(status)"],
                start,
                origin + shown(request.headers, "sent") + shown(response, "received")
            )
            return response
        } catch {
            let isCancelled = error is CancellationError
            // The message of a foreign error may hold anything.
            let kind = (error as? ClientError)?.code.description ?? String(describing: type(of: error))
            log(
                logger,
                isCancelled ? level : failureLevel,
                request,
                isCancelled ? "cancelled" : "failed (\(kind))",
                ["error": "\(kind)"],
                start,
                shown(request.headers, "sent")
            )
            throw error
        }
    }

    private func log(
        _ logger: Logger,
        _ level: Logger.Level,
        _ request: ClientRequest,
        _ outcome: String,
        _ facts: Logger.Metadata,
        _ start: Int64,
        _ rest: String
    ) {
        let milliseconds = (request.exchange.core.loop.currentTime() - start) / 1_000_000
        var metadata = facts
        metadata["method"] = "\(request.method.rawValue)"
        metadata["url"] = "\(request.uri.redacted)"
        metadata["milliseconds"] = "\(milliseconds)"
        if request.redirectCount > 0 { metadata["redirects"] = "\(request.redirectCount)" }
        logger.log(level: level, "\(request): \(outcome) in \(milliseconds) ms\(rest)", metadata: metadata)
    }

    private func shown(_ response: ClientResponse, _ label: String) -> String {
        headers == .none ? "" : shown(response.headers, label)
    }

    private func shown(_ fields: HTTPFields, _ label: String) -> String {
        let values: Set<HTTPField.Name>
        switch headers {
        case .none: return ""
        case .names: values = []
        case .values(let named): values = named
        }
        guard !fields.isEmpty else { return "" }
        let texts = fields.map { field -> String in
            let name = field.name.rawName
            guard values.contains(field.name), !SecretNames.contains(field.name), field.indexingStrategy != .avoid,
                field.indexingStrategy != .disallow
            else { return name }
            return "\(name): \(Self.withoutQuery(field))"
        }
        return "; \(label) \(texts.joined(separator: ", "))"
    }

    private static let references: Set<String> = [
        "location", "content-location", "referer", "link", "refresh", "origin", "destination",
    ]

    /// A value as it is, but for what follows a question mark in one that is about URLs.
    private static func withoutQuery(_ field: HTTPField) -> String {
        // Lines of a log are lines: HTTPTypes keeps no line break in a value.
        guard references.contains(field.name.canonicalName) else { return field.value }
        if let uri = try? URI(field.value) { return uri.redacted }
        guard let end = field.value.firstIndex(where: { $0 == "?" || $0 == "#" }) else {
            return field.value.contains("@") ? "…" : field.value
        }
        return field.value[..<end].contains("@") ? "…" : "\(field.value[..<end])?…"
    }
}
