/// The engine that this build has.
enum TLSEngines {
    static func client(
        over lower: any Transport,
        host: String,
        _ configuration: TLSConfiguration
    ) throws(TLSError) -> any TLSEngine {
        #if TLS
        return try OpenSSLEngine(
            client: try OpenSSLContext.client(configuration),
            over: lower,
            host: configuration.serverName ?? host,
            isVerifying: configuration.isVerifying
        )
        #else
        throw unavailable
        #endif
    }

    static func server(over lower: any Transport, _ configuration: TLSServerConfiguration) throws(TLSError)
        -> any TLSEngine
    {
        #if TLS
        return try OpenSSLEngine(server: try OpenSSLContext.server(configuration), over: lower)
        #else
        throw unavailable
        #endif
    }

    #if !TLS
    private static var unavailable: TLSError {
        TLSError(
            .unavailable,
            "This build of Apus has no TLS. Build with the package trait `TLS` (its default), which needs OpenSSL 3."
        )
    }
    #endif
}
