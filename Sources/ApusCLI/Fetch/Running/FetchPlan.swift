import Apus
import HTTPTypes

/// How slow a body may come: less than so much within so many seconds is too slow.
struct RateFloor: Sendable, Equatable {
    var bytesPerSecond: Int
    var window: Int

    var bytes: Int { bytesPerSecond * window }
    var duration: Duration { .seconds(window) }
}

/// What holds for all transfers of a run.
struct FetchPlan: Sendable {
    /// What the command line asks for; nil is for the item to say.
    var method: HTTPRequest.Method?
    var body: RequestBody?
    /// What goes with every request.
    var headers: HTTPFields = [:]
    /// Those of them that any server may have: the session has the others, and gives them to one.
    var fields: HTTPFields = [:]
    /// Of `--user`; only ever compared, by a hash.
    var user: String?
    /// Whether there is something that only one server may have.
    var hasSecrets = false
    var storage: Storage?
    /// Whether a file that is there is asked about before it is fetched again.
    var ifModified = false
    /// Whether bodies are stored as they are sent, so that they can be continued.
    var isIdentity = true
    var maximumSize: Int?
    var rateFloor: RateFloor?
    var hashes = false
    /// Whether the results are wanted with all details.
    var reports = false
    /// Whether the body goes to standard output.
    var printsBody = false
    var retry = RetryRule(retries: 2)

    /// Whether something is done with bodies that are not stored, besides counting them.
    var looksIntoBodies: Bool { printsBody || hashes || maximumSize != nil }

    func method(of item: FetchItem) -> HTTPRequest.Method {
        item.method ?? method ?? (item.body != nil || body != nil ? .post : .get)
    }

    /// An item's own fields, and the command line's of other names.
    func fields(of item: FetchItem) -> HTTPFields {
        guard var own = item.headers else { return fields }
        for field in fields where item.headers?[field.name] == nil { own.append(field) }
        return own
    }

    func body(of item: FetchItem) -> RequestBody? { item.body.map { .bytes($0) } ?? body }

    /// Whether a body that breaks off is gone on with.
    ///
    /// Without a hash of what is there already, the whole would have none. And the part of a part is not to be had by its offset.
    func continues(_ item: FetchItem) -> Bool {
        isIdentity && !hashes && method(of: item) == .get && !asksForPart(item)
    }

    /// What an item's body may depend on besides its URL: the fields that are asked with, and the user. Empty if there are none.
    ///
    /// Of each value 16 bits of a hash: enough to tell two users apart, and too little for whoever finds it on the disk to try passwords on.
    func asking(_ item: FetchItem) -> String {
        var lines: [String] = []
        for field in headers { lines.append("\(field.name.canonicalName) \(Self.trace(field.value))") }
        for field in item.headers ?? [:] { lines.append("\(field.name.canonicalName) \(Self.trace(field.value))") }
        if let user { lines.append("user \(Self.trace(user))") }
        if item.uri.hasUserinfo { lines.append("userinfo \(Self.trace(item.uri.description))") }
        return lines.isEmpty ? "" : "\n" + lines.sorted().joined(separator: "\n")
    }

    private static func trace(_ secret: String) -> UInt64 { StableHash(secret).value & 0xFFFF }

    /// Whether the caller's own fields ask for a part of the body.
    func asksForPart(_ item: FetchItem) -> Bool { sends(item, .range) || sends(item, .ifRange) }

    /// Whether the caller's own fields ask for a body only if it has changed.
    func asksForChange(_ item: FetchItem) -> Bool { sends(item, .ifNoneMatch) || sends(item, .ifModifiedSince) }

    private func sends(_ item: FetchItem, _ name: HTTPField.Name) -> Bool {
        item.headers?[name] != nil || !headers.isEmpty && headers[name] != nil
    }
}
