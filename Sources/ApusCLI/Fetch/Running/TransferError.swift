import Apus

/// What ends a transfer besides the client's errors.
struct TransferError: Error {
    var code: String
    var message: String
    var isRetryable = false

    static func tooLarge(_ limit: Int) -> TransferError {
        TransferError(code: "tooLarge", message: "The body is larger than \(Format.count(limit, "byte")) (--max-size).")
    }

    static func tooSlow(_ floor: RateFloor) -> TransferError {
        TransferError(
            code: "tooSlow",
            message:
                "Less than \(floor.bytesPerSecond) bytes a second for \(Format.count(floor.window, "second")) (--min-rate).",
            isRetryable: true
        )
    }

    static func status(_ code: Int) -> TransferError {
        TransferError(code: "status", message: "The server answered \(code).")
    }

    static let wrongRange = TransferError(
        code: "wrongRange",
        message: "The server sent another part of the file than was asked for.",
        isRetryable: true
    )

    static let notAsked = TransferError(
        code: "status",
        message: "The server answered 304 to a request that was not conditional."
    )
}

/// What an error means for a transfer.
struct FailureVerdict {
    var failure: FetchResult.Failure
    /// Whether another attempt may end better.
    var isTransient = false
    /// Whether the server has seen nothing of the request, so that any method may be sent again.
    var wasSent = true
    var host = AttemptEnd.Host.unknown

    init(_ error: any Error) {
        switch error {
        case var error as ClientError:
            // Whoever shows it shows the URL beside it.
            error.url = nil
            failure = FetchResult.Failure(code: "\(error.code)", message: SettingNames.replaced(in: "\(error)"))
            isTransient = Self.transient.contains(error.code)
            wasSent = !Self.unsent.contains(error.code)
            host = Self.silent.contains(error.code) ? .silent : .unknown
        case let error as TransferError:
            failure = FetchResult.Failure(code: error.code, message: error.message)
            isTransient = error.isRetryable
        case let error as StorageError:
            failure = FetchResult.Failure(code: "storage", message: "\(error)")
        default: failure = FetchResult.Failure(code: "failed", message: "\(error)")
        }
    }

    private static let silent: Set<ClientError.Code> = [
        .connectionRefused, .connectionFailed, .connectTimeout, .unknownHost, .headTimeout,
    ]

    /// Before there was a connection.
    private static let unsent: Set<ClientError.Code> = [.connectionRefused, .connectTimeout, .unknownHost]

    /// Besides what the library's ``RetryPolicy`` tries again: what it cannot, as the caller reads the body; and names, as lookups fail
    /// for a while.
    private static let transient: Set<ClientError.Code> = RetryPolicy.defaultErrors.union([
        .closedInBody, .idleTimeout, .totalTimeout, .unknownHost, .proxyFailed,
    ])
}
