public import ApusRuntime
import ApusWire
import HTTPTypes

/// One request to one URL on its way, and what its one cancellation handler names.
// @unchecked: what is mutable is touched on the loop's thread only, once the request has reached it.
@usableFromInline
final class Exchange: CancellationTarget, @unchecked Sendable {
    /// What the request waits for, so that a cancellation can end the wait.
    enum Waiting {
        case nothing
        case descriptor(UInt64)
        case pool(WaiterID)
        /// A task of its own, which this cancels: a name lookup.
        case task(@Sendable () -> Void)
    }

    /// How far the response has come: what a broken connection means depends on it.
    enum Progress {
        case request, head, body
    }

    @usableFromInline let core: SessionCore
    let method: HTTPRequest.Method
    let uri: URI
    /// The fields of this request alone.
    let ownFields: HTTPFields
    let body: RequestBody?
    let options: RequestOptionsBox?
    /// How the body is sent, if it is more than a small piece of memory.
    let uploadPlan: UploadPlan?
    /// The request's own timeouts.
    let statedTimeouts: TimeoutsBox?
    let limits: StageLimits
    /// Whether the automatic `Accept-Encoding` would ask for what nobody undoes, or for parts (RFC 9110 §14) of a coded body.
    let omitsAcceptEncoding: Bool
    let redirects: RedirectPolicy
    /// Whether middlewares stand around it.
    let hasMiddleware: Bool
    /// The deadline of the whole request, redirects and body included, in nanoseconds of the loop's clock.
    @exclusivity(unchecked) var totalDeadline: Int64 = .max
    /// The lines that every request to the host has; empty if `fields` replaces one of them.
    @exclusivity(unchecked) var prepared: [UInt8] = []
    @exclusivity(unchecked) var fields = HTTPFields()
    @exclusivity(unchecked) var waiting = Waiting.nothing
    @exclusivity(unchecked) var progress = Progress.request
    /// Whether a redirect led to another origin: the session's secrets stay behind then, as the request's own do.
    @exclusivity(unchecked) var withholdsSecrets = false
    /// How it is authenticated, if not as all of the session's are.
    @exclusivity(unchecked) var authentication: ExchangeAuthentication? {
        didSet { authenticates = true }
    }
    /// Whether more is to be done about that than to send a field.
    @exclusivity(unchecked) private(set) var authenticates: Bool
    /// Fields that the session adds to this sending, such as a trace's context.
    @exclusivity(unchecked) var addedFields: HTTPFields?
    /// Who wants to know what becomes of it.
    @exclusivity(unchecked) var observation: RequestObservation?
    /// How many redirects led here.
    @exclusivity(unchecked) var redirectCount = 0
    @exclusivity(unchecked) var moments = ExchangeMoments()
    /// The connection that the response came on.
    @exclusivity(unchecked) var connectionFacts: ConnectionFacts?

    init(
        core: SessionCore,
        method: HTTPRequest.Method,
        uri: URI,
        fields: HTTPFields,
        body: RequestBody?,
        timeouts: TimeoutsBox?,
        redirects: RedirectPolicy?,
        options: RequestOptionsBox? = nil,
        uploadPlan: UploadPlan? = nil
    ) {
        self.core = core
        self.method = method
        self.uri = uri
        self.body = body
        self.options = options
        if let body {
            var fields = fields
            if fields[.contentType] == nil, options?.omits(.contentType) != true {
                fields[.contentType] = body.contentType
            }
            ownFields = fields
            self.uploadPlan = uploadPlan ?? Self.uploadPlan(body, options?.options)
        } else {
            ownFields = fields
            self.uploadPlan = nil
        }
        omitsAcceptEncoding =
            options?.options.decompress == false || !fields.isEmpty && fields.contains { $0.name == .range }
        statedTimeouts = timeouts
        limits = timeouts.map { StageLimits($0.timeouts) } ?? core.defaultLimits
        self.redirects = redirects ?? core.configuration.redirects
        authenticates = core.authenticates
        hasMiddleware = options?.options.hasMiddleware(core) ?? core.hasMiddleware
    }

    /// Takes over what holds for all of a caller's request, whose next exchange this is.
    func inherit(from previous: Exchange) {
        totalDeadline = previous.totalDeadline
        moments.called = previous.moments.called
        withholdsSecrets = previous.withholdsSecrets
        if let authentication = previous.authentication?.forNextExchange { self.authentication = authentication }
        redirectCount = previous.redirectCount
        observation = previous.observation
    }

    /// Whether it has nothing of its own in its head.
    var isPlain: Bool {
        options == nil && uploadPlan == nil && ownFields.isEmpty && addedFields == nil && authentication == nil
            && !withholdsSecrets && !omitsAcceptEncoding
    }

    /// The request's timeouts, or the session's.
    var timeouts: Timeouts { statedTimeouts?.timeouts ?? core.configuration.timeouts }

    /// Bodies up to this go out in one piece with their head: copying is cheaper than a second system call.
    static let smallBodySize = 64 * 1024

    private static func uploadPlan(_ body: RequestBody, _ options: RequestOptions?) -> UploadPlan? {
        if case .bytes(let bytes) = body.content, bytes.count <= smallBodySize, options?.expectContinue == nil,
            options?.onUploadProgress == nil, options?.compression == nil || bytes.isEmpty
        {
            return nil
        }
        return UploadPlan(body.content, options)
    }

    /// The body that is sent together with the head, if there is one.
    var smallBody: [UInt8]? {
        guard uploadPlan == nil, case .bytes(let bytes)? = body?.content else { return nil }
        return bytes
    }

    /// Ends the current wait. Safe from any thread. The waits look at `Task.isCancelled` themselves before they begin.
    @usableFromInline
    func taskCancelled() {
        core.loop.perform { self.endWait(with: .cancelled) }
    }

    /// Ends the current wait. Loop thread only.
    func endWait(with outcome: WaitOutcome) {
        switch waiting {
        case .nothing: break
        case .descriptor(let token): core.loop.endWaits(token, with: outcome)
        case .pool(let waiter): core.pool.leave(waiter, outcome)
        case .task(let cancel): cancel()
        }
    }

    /// `limit` nanoseconds from now, but never after the end of the whole request.
    func deadline(_ limit: Int64) -> Int64 {
        // By the clock, not by the loop's last look at it: a job that has computed for longer than the limit must not find it passed.
        limit == .max ? totalDeadline : min(totalDeadline, core.loop.currentTime().addingClamped(limit))
    }

    /// When the response's head has to be there, counted from now: the request has been written.
    func headDeadline() -> Int64 {
        guard limits.head != .max else {
            moments.sent = core.loop.now
            return totalDeadline
        }
        moments.sent = core.loop.currentTime()
        return min(totalDeadline, moments.sent.addingClamped(limits.head))
    }

    /// Whether a coded body is decoded.
    var decompresses: Bool { options?.options.decompress ?? core.configuration.decompress }

    /// Whether a status of 400 or more is an error.
    var raisesForStatus: Bool { options?.options.raiseForStatus ?? core.configuration.raiseForStatus }

    /// The code of a deadline that passed: the stage's, unless it was the whole request's.
    func code(_ stage: ClientError.Code) -> ClientError.Code {
        totalDeadline <= core.loop.now ? .totalTimeout : stage
    }

    /// An error that names this request.
    func error(_ code: ClientError.Code, _ message: String, cause: (any Error)? = nil) -> ClientError {
        ClientError(code, message, cause: cause, method: method, uri: uri)
    }

    /// The next piece of a coded body: see ``ContentDecoding/next(hint:)``. What it throws names this request.
    func nextPiece(of decoding: ContentDecoding, hint: Int = 0) throws -> [UInt8]? {
        do throws(ContentDecoding.Failure) {
            return try decoding.next(hint: hint)
        } catch {
            throw self.error(error.code, error.message)
        }
    }

    /// Checks that a coded body ends where its codings do.
    func finish(_ decoding: ContentDecoding) throws {
        do throws(ContentDecoding.Failure) {
            try decoding.finish()
        } catch {
            throw self.error(error.code, error.message)
        }
    }

    /// Whether sending it twice does what sending it once does (RFC 9110 §9.2.2), and its body can be made again.
    var canSendAgain: Bool {
        if let uploadPlan, !uploadPlan.canBegin { return false }
        return isIdempotent
    }

    private var isIdempotent: Bool {
        switch method {
        case .get, .head, .put, .delete, .options, .trace: true
        default: false
        }
    }
}
