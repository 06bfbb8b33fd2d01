import ApusRuntime
public import ApusWire
public import HTTPTypes

/// Told of what happens to a session's requests, as it happens: aiohttp's `TraceConfig`.
///
/// ```swift
/// struct Printer: SessionObserver {
///     func requestEnded(_ request: ObservedRequest, _ response: ClientResponse) {
///         print(request.id, request.method, request.uri.redacted, response.status.code, request.elapsed)
///     }
/// }
///
/// var configuration = ClientSession.Configuration()
/// configuration.observers = [Printer()]
/// ```
///
/// Every function has an implementation that does nothing: write those that matter. They run on the session's loop, in the order of the
/// list, and must not block. Of one request they come in this order:
///
/// 1. ``requestStarted(_:)``
/// 2. for each hop ``connectionReused(_:)``, or ``connectionWaitStarted(_:)`` and ``connectionWaitEnded(_:)`` if the pool is full, or
///    ``connectionOpeningStarted(_:)``, then of the lookup ``lookupCacheHit(_:host:)``, or ``lookupCacheMiss(_:host:)``,
///    ``lookupStarted(_:host:)`` and ``lookupEnded(_:host:)``, then ``connectionOpeningEnded(_:error:)``
/// 3. ``requestHeadSent(_:)``, ``requestBodySent(_:byteCount:)`` for each piece
/// 4. ``requestRedirected(_:_:to:)``, and the next hop from 2. on
/// 5. ``requestEnded(_:_:)`` when the response's head is there, or ``requestFailed(_:_:)``
/// 6. ``responseBodyReceived(_:byteCount:)`` for each piece. A body that comes together with its head is told of before 5.
///
/// A connection that is opened for one request may serve another that has waited longer; its opening is told of as the first one's.
/// An answer of a ``ClientMiddleware`` that sends nothing has 1 and 5 alone.
public protocol SessionObserver: Sendable {
    /// A request begins: aiohttp's `on_request_start`.
    func requestStarted(_ request: ObservedRequest)
    /// Its head is written, or about to be written with the first piece of its body: `on_request_headers_sent`.
    func requestHeadSent(_ request: ObservedRequest)
    /// A piece of its body was handed to the system: `on_request_chunk_sent`.
    func requestBodySent(_ request: ObservedRequest, byteCount: Int)
    /// The server redirects, and the redirect is followed: `on_request_redirect`. `request` is still the old hop's.
    func requestRedirected(_ request: ObservedRequest, _ response: ClientResponse, to uri: URI)
    /// The final response's head is there: `on_request_end`. Its body is the caller's to read.
    func requestEnded(_ request: ObservedRequest, _ response: ClientResponse)
    /// The request ended with an error, or was cancelled: `on_request_exception`.
    func requestFailed(_ request: ObservedRequest, _ error: any Error)
    /// A piece of the body came, as it was sent, which may be compressed: `on_response_chunk_received`.
    func responseBodyReceived(_ request: ObservedRequest, byteCount: Int)
    /// The pool has no place: the request waits for one: `on_connection_queued_start`.
    func connectionWaitStarted(_ request: ObservedRequest)
    /// It waits no longer, whatever came of it: `on_connection_queued_end`.
    func connectionWaitEnded(_ request: ObservedRequest)
    /// A connection is opened for it: `on_connection_create_start`.
    func connectionOpeningStarted(_ request: ObservedRequest)
    /// The connection is open, TLS included, or could not be opened: `on_connection_create_end`.
    func connectionOpeningEnded(_ request: ObservedRequest, error: (any Error)?)
    /// It goes out on an idle connection: `on_connection_reuseconn`.
    func connectionReused(_ request: ObservedRequest)
    /// A name is asked for: `on_dns_resolvehost_start`.
    func lookupStarted(_ request: ObservedRequest, host: String)
    /// The name has addresses: `on_dns_resolvehost_end`. A failed lookup ends with ``connectionOpeningEnded(_:error:)``.
    func lookupEnded(_ request: ObservedRequest, host: String)
    /// The addresses are remembered: `on_dns_cache_hit`. Of ``SystemResolver`` only, as the next.
    func lookupCacheHit(_ request: ObservedRequest, host: String)
    /// They are not: `on_dns_cache_miss`.
    func lookupCacheMiss(_ request: ObservedRequest, host: String)
}

extension SessionObserver {
    public func requestStarted(_ request: ObservedRequest) {}
    public func requestHeadSent(_ request: ObservedRequest) {}
    public func requestBodySent(_ request: ObservedRequest, byteCount: Int) {}
    public func requestRedirected(_ request: ObservedRequest, _ response: ClientResponse, to uri: URI) {}
    public func requestEnded(_ request: ObservedRequest, _ response: ClientResponse) {}
    public func requestFailed(_ request: ObservedRequest, _ error: any Error) {}
    public func responseBodyReceived(_ request: ObservedRequest, byteCount: Int) {}
    public func connectionWaitStarted(_ request: ObservedRequest) {}
    public func connectionWaitEnded(_ request: ObservedRequest) {}
    public func connectionOpeningStarted(_ request: ObservedRequest) {}
    public func connectionOpeningEnded(_ request: ObservedRequest, error: (any Error)?) {}
    public func connectionReused(_ request: ObservedRequest) {}
    public func lookupStarted(_ request: ObservedRequest, host: String) {}
    public func lookupEnded(_ request: ObservedRequest, host: String) {}
    public func lookupCacheHit(_ request: ObservedRequest, host: String) {}
    public func lookupCacheMiss(_ request: ObservedRequest, host: String) {}
}

/// What observers are told of a request.
public struct ObservedRequest: Sendable {
    /// The same for all hops and sendings of one request, and for no other of the process.
    public var id: UInt64
    /// The method of this hop.
    public var method: HTTPRequest.Method
    /// Where this hop goes. It may have secrets in it: show its ``URI/redacted`` form.
    public var uri: URI
    /// Since the call, by the loop's clock.
    public var elapsed: Duration
    /// What the caller gave as ``RequestOptions/observerContext``: aiohttp's `trace_request_ctx`.
    public var context: (any Sendable)?
}

extension ObservedRequest: CustomStringConvertible, CustomReflectable {
    /// Number, method and URL, without what may be secret.
    public var description: String { "#\(id) \(method) \(uri.redacted)" }

    public var customMirror: Mirror {
        Mirror(self, children: ["id": id, "method": method.rawValue, "uri": uri.redacted])
    }
}
