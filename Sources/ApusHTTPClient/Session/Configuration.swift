public import ApusNet
public import ApusWire
public import HTTPTypes
public import Logging

extension ClientSession {
    /// How a session behaves. Requests can override timeouts and redirects.
    public struct Configuration: Sendable {
        /// The connections that a session keeps.
        public struct Pool: Sendable, Hashable {
            /// Connections in all, to all hosts; at least 1. Requests beyond it wait their turn: 300 requests that take 300 ms
            /// each, with a limit of 100, take three times as long as 100.
            public var limit = 100
            /// Connections to one host; 0 for no limit of its own.
            public var limitPerHost = 0
            /// How long an unused connection is kept. A server's `Keep-Alive: timeout` shortens it.
            public var idleTimeout: Duration = .seconds(30)

            public init() {}
        }

        /// The connections.
        public var pool = Pool()
        /// The timeouts of each request.
        public var timeouts = Timeouts()
        /// Which redirects are followed.
        public var redirects = RedirectPolicy.follow()
        /// Sent with every request. A request's own fields of the same name replace them.
        public var headers = HTTPFields()
        /// The User-Agent field.
        public var userAgent = "Apus/0.1"
        /// The most that ``ClientResponse/bytes(limit:)`` and its siblings collect, in bytes, unless told otherwise.
        public var bodyLimit = 256 * 1024 * 1024
        /// Turns names into addresses.
        public var resolver: any Resolver = SystemResolver.shared
        /// How https is spoken and checked.
        public var tls = TLSConfiguration()
        /// What a peer may send.
        public var limits = HTTP1Limits()
        /// Whether bodies in gzip, deflate, br and zstd are decoded, as far as the system has the libraries, and asked for by
        /// `Accept-Encoding`: see ``ResponseBody``. A request can say otherwise.
        public var decompress = true
        /// Whether a response with a status of 400 or more is thrown as ``ClientError`` `.statusNotSuccess`. A request can say otherwise.
        public var raiseForStatus = false
        /// Where the session logs; it logs little.
        public var logger = Logger(label: "apus.client")

        public init() {}
    }
}

/// Counters of a session.
public struct SessionStatistics: Sendable, Hashable {
    /// Requests begun, redirects included.
    public var requests = 0
    /// Connections opened.
    public var connectionsOpened = 0
    /// Requests that found an idle connection.
    public var reuses = 0
    /// Requests sent again because a reused connection died before the first byte of a response.
    public var resends = 0
    /// Requests that came from another thread than the session's loop: each costs a hop there and back.
    public var hops = 0
    /// Connections open now.
    public var open = 0
    /// Of these, unused.
    public var idle = 0
    /// Requests that wait for a connection now.
    public var waiting = 0
}
