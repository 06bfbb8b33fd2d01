import ApusWire
public import HTTPTypes

extension ClientResponse {
    /// An answer that came from no connection: for middlewares that answer themselves, such as a cache.
    ///
    /// - Parameters:
    ///   - request: what it answers.
    ///   - status: 200 to 999.
    ///   - headers: as a server would send them, but without `Transfer-Encoding`. With a `Content-Encoding`, `body` is coded, and
    ///     decoded when it is read, as if it had come so.
    ///   - body: all of it.
    /// - Throws: ``ClientError`` `.invalidRequest` if no server could have sent such a head.
    public init(to request: ClientRequest, status: HTTPResponse.Status, headers: HTTPFields = [:], body: [UInt8] = [])
        throws
    {
        let exchange = request.exchange
        let head: HTTP1ResponseHead
        do {
            head = try HTTP1ResponseHead(status: status, fields: headers, limits: exchange.core.configuration.limits)
        } catch {
            throw exchange.error(.invalidRequest, "The answer that was made for it is none: \(error)", cause: error)
        }
        let plan = head.hasContentEncoding && exchange.decompresses ? ContentPlan(head) : nil
        self.init(ResponseStorage(head, exchange, complete: body, trailers: nil, plan))
    }
}
