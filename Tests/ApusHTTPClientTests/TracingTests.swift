import ApusHTTPClient
import ApusRuntime
import ApusTesting
import ApusWire
import HTTPTypes
import InMemoryTracing
import Testing
import Tracing

@Suite("Requests as spans")
struct TracingTests {
    private static let traceField = HTTPField.Name("in-memory-trace-id")!

    /// The value of an attribute, as text.
    private static func text(_ span: FinishedInMemorySpan, _ key: String) -> String? {
        switch span.attributes.get(key) {
        case .string(let text)?: text
        case .int64(let number)?: "\(number)"
        case .int32(let number)?: "\(number)"
        default: nil
        }
    }

    private static func configuration(_ tracer: InMemoryTracer) -> ClientSession.Configuration {
        var configuration = ClientSession.Configuration()
        configuration.tracer = tracer
        return configuration
    }

    @Test(
        "C90: a span per sending, as OpenTelemetry names things, with its context in the request and the caller's span as parent"
    )
    func conventions() async throws {
        try await withVirtualTime {
            let tracer = InMemoryTracer()
            let mock = MockTransport { request in
                request.path == "/a" ? .redirect(to: "/b") : .status(.notFound)
            }
            let session = ClientSession.mocked(mock, Self.configuration(tracer))
            try await tracer.withSpan("caller", ofKind: .internal) { span in
                _ = try await session.get("http://user:pw@host.example:8080/a?token=secret").bytes()
            }
            await session.close()
            let spans = tracer.finishedSpans
            try #require(spans.count == 3)
            #expect(spans[2].operationName == "caller")
            for span in spans[..<2] {
                #expect(span.operationName == "GET")
                #expect(span.kind == .client)
                #expect(span.parentSpanID == spans[2].spanID)
                #expect(span.traceID == spans[2].traceID)
                #expect(Self.text(span, "http.request.method") == "GET")
                #expect(Self.text(span, "server.address") == "host.example")
                #expect(Self.text(span, "server.port") == "8080")
                #expect(Self.text(span, "network.protocol.version") == "1.1")
                #expect(Self.text(span, "http.request.method_original") == nil)
            }
            #expect(Self.text(spans[0], "url.full") == "http://host.example:8080/a?…")
            #expect(Self.text(spans[0], "http.response.status_code") == "302")
            #expect(Self.text(spans[0], "error.type") == nil)
            #expect(Self.text(spans[0], "http.request.resend_count") == nil)
            #expect(spans[0].status == nil)
            #expect(Self.text(spans[1], "url.full") == "http://host.example:8080/b")
            #expect(Self.text(spans[1], "http.response.status_code") == "404")
            #expect(Self.text(spans[1], "error.type") == "404")
            #expect(Self.text(spans[1], "http.request.resend_count") == "1")
            #expect(spans[1].status?.code == .error)
            #expect(mock.requests.map { $0.headers[Self.traceField] } == [spans[0].traceID, spans[1].traceID])
            #expect(tracer.activeSpans.isEmpty)
        }
    }

    @Test("C90: a failure ends its span with its kind, and without its text; a method that nobody knows is _OTHER")
    func failures() async throws {
        try await withVirtualTime {
            let tracer = InMemoryTracer()
            let session = ClientSession.mocked(
                MockTransport { request in request.path == "/refused" ? .refused : .silent },
                Self.configuration(tracer)
            )
            _ = await clientError {
                try await session.request(.init("SECRETIVE")!, "http://host.example/refused")
            }
            await #expect(throws: TimeoutError.self) {
                try await withTimeout(.seconds(1)) { _ = try await session.get("http://host.example/silent") }
            }
            await session.close()
            let spans = tracer.finishedSpans
            try #require(spans.count == 2)
            #expect(spans[0].operationName == "HTTP")
            #expect(Self.text(spans[0], "http.request.method") == "_OTHER")
            #expect(Self.text(spans[0], "http.request.method_original") == "SECRETIVE")
            #expect(spans.map { Self.text($0, "error.type") } == ["connectionRefused", "cancelled"])
            #expect(spans.allSatisfy { $0.status?.code == .error && $0.status?.message == nil && $0.errors.isEmpty })
            #expect(spans.allSatisfy { Self.text($0, "http.response.status_code") == nil })
            #expect(tracer.activeSpans.isEmpty)
        }
    }

    @Test("C90: a retry is a span of its own; a session can do without; a process without a tracer has none")
    func sendings() async throws {
        try await withVirtualTime {
            let tracer = InMemoryTracer()
            var configuration = Self.configuration(tracer)
            configuration.middleware = [
                MiddlewareFunction { request, next in
                    try await next(request).release()
                    return try await next(request)
                }
            ]
            let mock = MockTransport { _ in .status(.ok) }
            let session = ClientSession.mocked(mock, configuration)
            _ = try await session.get("http://host.example/").bytes()
            let spans = tracer.popFinishedSpans()
            #expect(spans.map { Self.text($0, "http.request.resend_count") } == [nil, "1"])
            await session.close()

            configuration.tracesRequests = false
            let untraced = ClientSession.mocked(mock, configuration)
            _ = try await untraced.get("http://host.example/").bytes()
            await untraced.close()
            configuration.tracesRequests = true
            configuration.tracer = nil
            let unknown = ClientSession.mocked(mock, configuration)
            _ = try await unknown.get("http://host.example/").bytes()
            await unknown.close()
            #expect(tracer.finishedSpans.isEmpty)
            #expect(mock.requests.count == 6)
            #expect(mock.requests.suffix(4).allSatisfy { $0.headers[Self.traceField] == nil })
        }
    }

    @Test("C90: from another thread a request's span still belongs to the caller's")
    func elsewhere() async throws {
        try await withTestLoop {
            let tracer = InMemoryTracer()
            let session = ClientSession.mocked(MockTransport { _ in .status(.ok) }, Self.configuration(tracer))
            try await EventLoop.with {
                try await tracer.withSpan("caller", ofKind: .internal) { _ in
                    _ = try await session.get("http://host.example/").bytes()
                }
            }
            await session.close()
            let spans = tracer.finishedSpans
            try #require(spans.count == 2)
            #expect(spans[0].parentSpanID == spans[1].spanID)
        }
    }
}
