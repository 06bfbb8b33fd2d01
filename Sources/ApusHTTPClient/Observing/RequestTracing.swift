import ApusNet
import ApusWire
import HTTPTypes
import Tracing

/// How a session's requests become spans: OpenTelemetry's conventions for HTTP clients, version 1.23 and later, where they are stable.
///
/// One span for each sending, so that retries and redirects are seen as what they are. It ends with the response's head: the body is
/// read by the caller, when it likes.
final class RequestTracing: Sendable {
    private let tracer: any Tracer
    /// What writes the context into the request: the tracer, or all instruments of the process.
    private let instrument: any Instrument

    /// Nil if nobody would see the spans.
    init?(_ configuration: ClientSession.Configuration) {
        guard configuration.tracesRequests else { return nil }
        if let tracer = configuration.tracer {
            (self.tracer, instrument) = (tracer, tracer)
        } else {
            let tracer = InstrumentationSystem.tracer
            if tracer is NoOpTracer { return nil }
            (self.tracer, instrument) = (tracer, InstrumentationSystem.instrument)
        }
    }

    /// Begins a span as a child of the task's current one, and puts its context into the request.
    func begin(_ exchange: Exchange, resends: Int) -> RequestSpan {
        let method = HTTPMethodLabel(exchange.method)
        let span = tracer.startSpan(
            method.isKnown ? method.label : "HTTP",
            context: InstrumentationContext.current ?? .topLevel,
            ofKind: .client
        )
        let uri = exchange.uri
        span.updateAttributes { attributes in
            attributes["http.request.method"] = method.label
            if !method.isKnown { attributes["http.request.method_original"] = exchange.method.rawValue }
            attributes["server.address"] = uri.host
            attributes["server.port"] = uri.effectivePort
            // Neither userinfo nor query: the conventions ask for values to be redacted, and names can be secret too.
            attributes["url.full"] = uri.redacted
            if resends > 0 { attributes["http.request.resend_count"] = resends }
        }
        var fields = HTTPFields()
        instrument.inject(span.context, into: &fields, using: FieldInjector())
        exchange.addedFields = fields.isEmpty ? nil : fields
        return RequestSpan(span)
    }

    private struct FieldInjector: Injector {
        func inject(_ value: String, forKey key: String, into carrier: inout HTTPFields) {
            // An instrument's fields are left out rather than sent wrong.
            guard let name = HTTPField.Name(key), HTTPField.isValidValue(value) else { return }
            carrier[name] = value
        }
    }
}

/// The span of one sending.
struct RequestSpan {
    private let span: any Span

    init(_ span: any Span) { self.span = span }

    var context: InstrumentationContext { span.context }

    func end(_ response: ClientResponse) {
        let status = response.head.statusCode
        span.updateAttributes { attributes in
            attributes["http.response.status_code"] = status
            attributes["network.protocol.version"] = "1.\(response.head.versionMinor)"
            if let address = response.remoteAddress, let port = address.port {
                attributes["network.peer.address"] = address.host
                attributes["network.peer.port"] = port
            }
            if status >= 400 { attributes["error.type"] = "\(status)" }
        }
        if status >= 400 { span.setStatus(SpanStatus(code: .error)) }
        span.end()
    }

    /// Kind only: an error's text may come from the user's own code, which does not know who reads spans.
    func end(_ error: any Error) {
        span.attributes["error.type"] = ErrorLabel(error).label
        span.setStatus(SpanStatus(code: .error))
        span.end()
    }
}
