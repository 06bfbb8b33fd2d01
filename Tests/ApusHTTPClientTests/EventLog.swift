import ApusHTTPClient
import ApusWire
import HTTPTypes
import Synchronization

/// An observer that writes everything down.
final class EventLog: SessionObserver {
    private let lines = Mutex<[String]>([])

    var all: [String] { lines.withLock { $0 } }

    /// What was noted since the last time.
    func take() -> [String] {
        lines.withLock { lines in
            defer { lines = [] }
            return lines
        }
    }

    private func note(_ text: String) { lines.withLock { $0.append(text) } }

    func requestStarted(_ request: ObservedRequest) { note("start \(request.method) \(request.uri.path)") }
    func requestHeadSent(_ request: ObservedRequest) { note("head \(request.uri.path)") }
    func requestBodySent(_ request: ObservedRequest, byteCount: Int) { note("sent \(byteCount)") }
    func requestRedirected(_ request: ObservedRequest, _ response: ClientResponse, to uri: URI) {
        note("redirect \(request.uri.path) \(response.status.code) \(uri.path)")
    }
    func requestEnded(_ request: ObservedRequest, _ response: ClientResponse) {
        note("end \(request.uri.path) \(response.status.code)")
    }
    func requestFailed(_ request: ObservedRequest, _ error: any Error) {
        note("fail \(request.uri.path) \((error as? ClientError)?.code.description ?? "\(type(of: error))")")
    }
    func responseBodyReceived(_ request: ObservedRequest, byteCount: Int) { note("received \(byteCount)") }
    func connectionWaitStarted(_ request: ObservedRequest) { note("wait \(request.uri.path)") }
    func connectionWaitEnded(_ request: ObservedRequest) { note("waited \(request.uri.path)") }
    func connectionOpeningStarted(_ request: ObservedRequest) { note("open") }
    func connectionOpeningEnded(_ request: ObservedRequest, error: (any Error)?) {
        note(error == nil ? "opened" : "not opened")
    }
    func connectionReused(_ request: ObservedRequest) { note("reuse") }
    func lookupStarted(_ request: ObservedRequest, host: String) { note("lookup \(host)") }
    func lookupEnded(_ request: ObservedRequest, host: String) { note("looked up \(host)") }
    func lookupCacheHit(_ request: ObservedRequest, host: String) { note("hit \(host)") }
    func lookupCacheMiss(_ request: ObservedRequest, host: String) { note("miss \(host)") }
}
