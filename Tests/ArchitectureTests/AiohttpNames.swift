/// What somebody who comes from aiohttp's client looks for: its public names (3.14), and the rows of the inventory of its behaviours.
enum AiohttpNames {
    /// The names of the client, of its arguments, and of the objects that it gives.
    static let all: [Substring] = (module + arguments + members).split { $0 == " " || $0 == "\n" }

    private static let module = """
        ClientSession request ClientTimeout ClientResponse ClientRequest RequestInfo Fingerprint
        BaseConnector TCPConnector UnixConnector NamedPipeConnector AddrInfoType SocketFactoryType
        ClientError ClientConnectionError ClientOSError ClientConnectorError ClientConnectorDNSError ClientSSLError
        ClientConnectorSSLError ClientConnectorCertificateError ClientConnectionResetError ClientProxyConnectionError
        UnixClientConnectorError ServerConnectionError ServerDisconnectedError ServerTimeoutError ConnectionTimeoutError
        SocketTimeoutError ServerFingerprintMismatch ClientResponseError ContentTypeError WSServerHandshakeError
        ClientHttpProxyError TooManyRedirects ClientPayloadError InvalidURL InvalidUrlClientError
        InvalidUrlRedirectClientError NonHttpUrlClientError NonHttpUrlRedirectClientError RedirectClientError WSMessageTypeError
        FormData MultipartWriter MultipartReader BodyPartReader
        Payload BytesPayload StringPayload JsonPayload IOBasePayload AsyncIterablePayload PAYLOAD_REGISTRY payload_type
        get_payload streamer StreamReader DataQueue EofStream
        BasicAuth DigestAuthMiddleware CookieJar DummyCookieJar TraceConfig ClientMiddlewareType ClientHandlerType
        ThreadedResolver DefaultResolver AsyncResolver AbstractResolver
        ws_connect ClientWebSocketResponse ClientWSTimeout WSMsgType WSMessage

        """
    private static let arguments = """
        base_url connector connector_owner cookies headers proxy proxy_auth skip_auto_headers auth json_serialize request_class
        response_class version raise_for_status timeout auto_decompress trust_env requote_redirect_url trace_configs read_bufsize
        middlewares params data json compress expect100 allow_redirects max_redirects ssl server_hostname trace_request_ctx
        total connect sock_connect sock_read
        limit limit_per_host keepalive_timeout resolver family local_addr socket_factory happy_eyeballs_delay

        """
    private static let members = """
        get head options post put delete close closed detach
        status reason ok method url host headers content_type charset content_disposition history links content
        read text release iter_chunked iter_any wait_for_close add_field append append_json next from_response
        """

    /// The rows of the client, of its parser and of its bodies, by their numbers.
    static let rows: [String] =
        [1...8, 10...32, 40...50, 60...70, 80...88, 90...92, 110...112].flatMap { $0 }.map { "C\($0)" }
        + (1...5).map { "P\($0)" }
}
