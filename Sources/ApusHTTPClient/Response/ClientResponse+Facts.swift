public import ApusNet
import ApusRuntime
public import ApusWire
import HTTPTypes

// What the head and the connection tell. Nothing here waits for the network.
extension ClientResponse {
    /// Whether the status is below 400.
    public var isOK: Bool { head.statusCode < 400 }

    /// The reason phrase, often empty; it carries no meaning (RFC 9112 §4).
    public var reason: String { head.reason }

    /// The protocol's version, such as `HTTP/1.1`.
    public var version: String { "HTTP/1.\(head.versionMinor)" }

    /// The media type that the head states; nil if it states none, or nothing that could be one.
    public var contentType: MediaType? { head.block.first("content-type").flatMap { MediaType($0) } }

    /// What the server would have done with the body, and what it calls it: for a file of your own take `safeFilename`.
    public var contentDisposition: ContentDisposition? {
        head.block.first("content-disposition").flatMap { ContentDisposition($0) }
    }

    /// The links of the head's Link fields (RFC 8288), resolved against ``uri``.
    ///
    /// ```swift
    /// let next = response.links.first { $0.has(relation: "next") }?.target
    /// ```
    public var links: [WebLink] {
        let values = head.block.values("link")
        return values.isEmpty ? [] : WebLink.parse(values, base: uri)
    }

    /// When the resource was changed last, as the head says.
    public var lastModified: HTTPTimestamp? { head.block.timestamp("last-modified") }

    /// The address of the other end of the connection that the response came on: the server's, or its proxy's.
    public var remoteAddress: SocketAddress? { storage.exchange.connectionFacts?.remoteAddress }

    /// This side's address.
    public var localAddress: SocketAddress? { storage.exchange.connectionFacts?.localAddress }

    /// What the TLS handshake of that connection agreed on: version, cipher, ALPN, and the server's certificate. Nil without TLS;
    /// that of an https proxy is not told.
    public var tls: TLSInfo? { storage.exchange.connectionFacts?.tls }

    /// How long the parts of the exchange took. The total is there once the body has been read.
    public var timings: ResponseTimings {
        get async {
            let exchange = storage.exchange
            guard let stream = storage.stream else {
                return ResponseTimings(exchange.moments, exchange.connectionFacts, isComplete: true)
            }
            // The end of the body is written down on the loop.
            if stream.loop.isCurrent {
                return ResponseTimings(exchange.moments, exchange.connectionFacts, isComplete: false)
            }
            let moments = (try? await stream.loop.hop { exchange.moments }) ?? ExchangeMoments()
            return ResponseTimings(moments, exchange.connectionFacts, isComplete: false)
        }
    }
}
