public import ApusNet
public import ApusWire
public import HTTPTypes
public import Logging
public import Tracing

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
            /// Requests that one connection carries before it is closed; 0 for any number. For servers whose processes are replaced
            /// behind a balancer, and would otherwise keep their oldest clients.
            public var maximumUses = 0
            /// How old a connection may be when a request begins on it; nil for any age. An address that has changed in DNS is
            /// noticed within this time.
            public var maximumAge: Duration?

            public init() {}
        }

        /// The connections.
        public var pool = Pool()
        /// The timeouts of each request.
        public var timeouts = Timeouts()
        /// Which redirects are followed.
        public var redirects = RedirectPolicy.follow()
        /// Sent with every request. A request's own fields of the same name replace them. Content-Length, Transfer-Encoding and Connection are
        /// about one message, and are an error here.
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
        /// Where relative URLs begin, such as `try URI("https://api.example.com/v2/")`: a request to `"users?page=2"` goes to
        /// `https://api.example.com/v2/users?page=2`, one to `"/users"` to `https://api.example.com/users` (RFC 3986 §5). It has to end with
        /// “/”. Absolute URLs ignore it.
        public var baseURL: URI?
        /// Origins that get the secrets among ``headers`` (`Authorization`, `Cookie`, `Proxy-Authorization` and fields marked as
        /// sensitive) and ``auth``, besides that of ``baseURL``. Everybody else does not; with neither, secrets there are an error.
        public var secretOrigins: Set<Origin> = []
        /// Who the session's requests are made as, at the origins of ``baseURL`` and ``secretOrigins``. A request's own `auth:`, its own
        /// `Authorization` field, and `name:password@` in its URL replace it.
        public var auth: Authentication?
        /// A file to look up credentials in, for requests that have no others; nil for none.
        public var netrc: NetrcFile?
        /// Asked, after the lookup, about each address before it is connected to, redirects and proxies included; nil allows all. The
        /// addresses of names that a proxy looks up are the proxy's matter. For URLs that
        /// strangers choose: ``AddressFilter/publicOnly``.
        public var addressFilter: AddressFilter?
        /// The proxy that requests go through. Nil: none, or the environment's, if ``trustEnvironment`` says so; ``Proxy/direct``: none in any
        /// case. A request can say otherwise.
        public var proxy: Proxy?
        /// Whether the environment is looked at, when the session is first used: `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy`, in
        /// lower case first, then in upper case; but not `HTTP_PROXY` where `REQUEST_METHOD` is set, because there a stranger has set it.
        public var trustEnvironment = false
        /// A Unix socket to which all requests go, whatever host they name: aiohttp's `UnixConnector`. For single requests there are URLs:
        /// `http+unix://%2Frun%2Fserver.sock/path`.
        public var unixSocketPath: String?
        /// The address of this machine to connect from, with port 0 for any. Hosts that have no address of its family cannot be reached then.
        public var localAddress: SocketAddress?
        /// The network interface to connect through, such as `eth1` (SO_BINDTODEVICE). Before Linux 5.7 that needs a privilege.
        public var interface: String?
        /// Connects to addresses of this family only; nil to both, as RFC 8305 says.
        public var addressFamily: AddressFamily?
        /// Opens the connections in place of resolver and sockets: see ``StreamConnector``.
        public var connector: StreamConnector?
        /// Connections shared with other sessions; its settings count then, and not ``pool``.
        public var sharedPool: ConnectionPool?
        /// Where cookies are kept; nil gives each session a jar of its own. ``CookieJar/disabled`` keeps none.
        public var cookieJar: CookieJar?
        /// What stands around each exchange, the outermost first: see ``ClientMiddleware``. A request can have a list of its own.
        public var middleware: [any ClientMiddleware] = []
        /// When a request that failed is sent again; nil for no more than the one resend on a connection that had died while it was idle.
        /// It stands outside of ``middleware``, so each attempt passes those. A request can have another.
        public var retry: RetryPolicy?
        /// Told of what happens to requests: see ``SessionObserver``.
        public var observers: [any SessionObserver] = []
        /// Whether requests become spans of swift-distributed-tracing, one for each sending, and carry their context, as OpenTelemetry's
        /// conventions for HTTP clients say. Without a tracer, here or bootstrapped, it costs nothing.
        public var tracesRequests = true
        /// Makes the spans; nil for the tracer that is bootstrapped when the session binds to its loop.
        public var tracer: (any Tracer)?

        public init() {}
    }
}
