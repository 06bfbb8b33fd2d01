import Apus
import HTTPTypes

// What the options mean for the library.
extension FetchPlan {
    init(_ command: FetchCommand, storage: Storage?) {
        method = command.sending.method.flatMap { HTTPRequest.Method(rawValue: $0) }
        body = command.sending.body
        headers = (try? command.sending.headers()) ?? [:]
        fields = SendingOptions.harmless(headers)
        user = command.sending.user
        hasSecrets = command.sending.hasSecrets
        self.storage = storage
        ifModified = command.storing.ifModified
        isIdentity = !command.storing.compressed
        maximumSize = command.storing.maxSize
        rateFloor = command.patience.rateFloor.flatMap { $0.bytesPerSecond > 0 ? $0 : nil }
        hashes = command.records.sha256
        reports = command.records.report != nil
        retry = RetryRule(retries: command.patience.retries)
    }
}

extension ClientSession.Configuration {
    /// - Throws: what is wrong with a file that an option names.
    init(_ command: FetchCommand, jar: CookieJar?, cache: HTTPCache?) throws {
        self.init()
        let (pace, sending) = (command.pace, command.sending)
        // As many connections as requests: none waits for another's. How many there are of one host is the queue's matter.
        pool.limit = 2 * pace.concurrency
        timeouts = command.patience.timeouts
        redirects = .follow(upTo: sending.maxRedirects)
        userAgent = "apus/0.1"
        let fields = try sending.headers()
        // The others go with each request, which looks at them, and so do redirects and the cache.
        headers = SendingOptions.secret(fields)
        auth = sending.authentication
        tls = try command.tls.configuration()
        decompress = command.storing.compressed
        if !command.storing.compressed, fields[.acceptEncoding] == nil { headers[.acceptEncoding] = "identity" }
        // What one URL sets is no other's business unless somebody asks for it.
        cookieJar = jar ?? .disabled
        if let url = sending.proxy { proxy = url == "direct" ? .direct : try Proxy(url) }
        trustEnvironment = sending.proxy == nil
        if let cache { middleware = [cache] }
    }
}
