import ApusRuntime
import HTTPTypes

/// A method as telemetry names it: methods are the caller's to make up, and each would be a time series of its own.
struct HTTPMethodLabel {
    let label: String
    let isKnown: Bool

    /// RFC 9110 §9 and PATCH (RFC 5789), as OpenTelemetry's conventions list them.
    private static let known: Set<String> = [
        "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH",
    ]

    init(_ method: HTTPRequest.Method) {
        isKnown = Self.known.contains(method.rawValue)
        label = isKnown ? method.rawValue : "_OTHER"
    }
}

/// An error as telemetry names it: one of few words.
struct ErrorLabel {
    let label: String

    init(_ error: any Error) {
        switch error {
        case let error as ClientError: label = error.code.description
        case is CancellationError: label = "cancelled"
        case is TimeoutError: label = "timeout"
        case let error as LoopError: label = "\(error.code)"
        // The conventions want the type, and types are few.
        default: label = "\(type(of: error))"
        }
    }
}
