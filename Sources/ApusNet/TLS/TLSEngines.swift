/// What a server speaks TLS with.
enum TLSServerSettings: Sendable {
    case configuration(TLSServerConfiguration)
    case context(TLSServerContext)
}

/// The engine that this build has.
enum TLSEngines {
    static func client(
        over lower: any Transport,
        host: String,
        scope: String?,
        _ configuration: TLSConfiguration
    ) throws(TLSError) -> any TLSEngine {
        #if TLS
        return try OpenSSLEngine(
            client: try OpenSSLContext.client(configuration),
            over: lower,
            host: configuration.serverName ?? host,
            scope: scope,
            isVerifying: configuration.isVerifying
        )
        #else
        throw unavailable
        #endif
    }

    /// - Parameter protocols: to accept by ALPN where the settings name none.
    static func server(
        over lower: any Transport,
        _ settings: TLSServerSettings,
        protocols: [String]
    ) throws(TLSError) -> any TLSEngine {
        #if TLS
        let context: OpenSSLContext
        switch settings {
        case .configuration(let configuration): context = try OpenSSLContext.server(configuration)
        case .context(let shared): context = shared.current
        }
        return try OpenSSLEngine(server: context, over: lower, protocols: protocols)
        #else
        throw unavailable
        #endif
    }

    #if !TLS
    static var unavailable: TLSError {
        TLSError(
            .unavailable,
            "This build of Apus has no TLS. Build with the package trait `TLS` (its default), which needs OpenSSL 3."
        )
    }
    #endif
}
