import ApusRuntime
public import ApusWire
import Logging
import Synchronization

/// Leaves a host alone for a while when it has failed several times in a row: its requests fail at once, with
/// ``ClientError/Code/circuitOpen``, instead of each waiting for its own timeout.
///
/// ```swift
/// configuration.middleware = [CircuitBreaker(failures: 5, openFor: .seconds(30))]
/// ```
///
/// *Closed*: requests go through; `failures` in a row open the circuit. *Open*: none goes through until the time is over.
/// *Half open*: `trials` go through, the others still fail; if all of them succeed the circuit is closed, and if one fails it is open
/// again, twice as long each time, up to `longestOpen`. Each origin has a circuit of its own. A cancelled request decides nothing.
///
/// Where it stands matters: inside of a ``RetryPolicy`` it counts attempts (and what it refuses is not retried, since
/// ``ClientError/Code/circuitOpen`` is not among ``RetryPolicy/defaultErrors``), outside it counts requests.
public final class CircuitBreaker: ClientMiddleware {
    /// The state of an origin's circuit.
    public enum Phase: Sendable, Hashable {
        case closed, open, halfOpen
    }

    private let limits: CircuitState.Limits
    private let statuses: Set<Int>
    private let errors: Set<ClientError.Code>
    private let circuits = Mutex<[Origin: CircuitState]>([:])

    /// Circuits of hosts that fail, beyond which those are forgotten that matter least.
    private static let circuitLimit = 4_096

    /// 500, 502, 503, 504.
    public static let defaultStatuses: Set<Int> = [500, 502, 503, 504]

    /// Connections that did not come about or broke before a response, and servers that did not answer in time.
    public static let defaultErrors: Set<ClientError.Code> = RetryPolicy.defaultErrors.union([
        .unknownHost, .tlsFailed, .malformedResponse, .headTooLarge, .totalTimeout,
    ])

    /// - Parameters:
    ///   - failures: in a row, that open a circuit; at least 1.
    ///   - openFor: how long it is open the first time.
    ///   - longestOpen: how long it is open at most.
    ///   - trials: requests that go through when that is over, all of which have to succeed; at least 1.
    ///   - statuses: which count as failures.
    ///   - errors: which count as failures.
    public init(
        failures: Int = 5,
        openFor: Duration = .seconds(30),
        longestOpen: Duration = .seconds(300),
        trials: Int = 1,
        statuses: Set<Int> = defaultStatuses,
        errors: Set<ClientError.Code> = defaultErrors
    ) {
        limits = CircuitState.Limits(
            failures: failures,
            open: openFor.clampedNanoseconds,
            longestOpen: longestOpen.clampedNanoseconds,
            trials: trials
        )
        self.statuses = statuses
        self.errors = errors
    }

    /// The circuit of an origin, as of its last request.
    public func phase(of origin: Origin) -> Phase {
        switch circuits.withLock({ $0[origin]?.phase }) {
        case .none, .closed: .closed
        case .open: .open
        case .halfOpen: .halfOpen
        }
    }

    /// Sends the request if its host's circuit lets it.
    ///
    /// - Throws: ``ClientError`` `.circuitOpen`; what the request throws.
    ///
    /// Cancel safety: a trial that is cancelled leaves its place to the next.
    public func handle(_ request: ClientRequest, next: ClientRequest.Next) async throws -> ClientResponse {
        let origin = request.uri.origin
        let loop = request.exchange.core.loop
        let now = loop.currentTime()
        let (permit, generation) = circuits.withLock { circuits in
            // Most hosts never fail, and have no entry.
            guard var circuit = circuits[origin] else { return (CircuitState.Permit.go, 0) }
            let permit = circuit.permit(at: now, limits)
            circuits[origin] = circuit
            return (permit, circuit.generation)
        }
        if case .refused(let wait) = permit { throw refusal(of: request, wait) }
        do {
            let response = try await next(request)
            note(origin, generation, isFailure: statuses.contains(response.head.statusCode), request)
            return response
        } catch let error as ClientError where errors.contains(error.code) {
            note(origin, generation, isFailure: true, request)
            throw error
        } catch {
            // Cancelled, or wrong in itself: it says nothing about the host.
            circuits.withLock { $0[origin]?.undecided(generation) }
            throw error
        }
    }

    private func note(_ origin: Origin, _ generation: Int, isFailure: Bool, _ request: ClientRequest) {
        let now = request.exchange.core.loop.currentTime()
        let hasOpened = circuits.withLock { circuits in
            guard var circuit = circuits[origin] ?? (isFailure ? CircuitState() : nil) else { return false }
            var hasOpened = false
            if isFailure {
                hasOpened = circuit.failed(generation, at: now, limits)
            } else {
                circuit.succeeded(generation, limits)
            }
            circuits[origin] = circuit.isPristine && circuit.generation == 0 ? nil : circuit
            if circuits.count > Self.circuitLimit { Self.forget(&circuits, at: now) }
            return hasOpened
        }
        if hasOpened {
            request.exchange.core.configuration.logger.notice(
                "\(request): the circuit of \(origin) is open: requests to it fail at once for a while"
            )
        }
    }

    /// Those that are closed go first, then those that are open no longer, then any.
    private static func forget(_ circuits: inout [Origin: CircuitState], at now: Int64) {
        circuits = circuits.filter { _, circuit in
            if case .open(let end) = circuit.phase { return end > now }
            return false
        }
        while circuits.count > circuitLimit / 2 { circuits.remove(at: circuits.startIndex) }
    }

    private func refusal(of request: ClientRequest, _ wait: Int64) -> ClientError {
        let when =
            wait == 0
            ? "A trial is under way, which decides when it is asked again."
            : "It is tried again in \((Duration.nanoseconds(wait)).inMilliseconds)."
        return request.exchange.error(
            .circuitOpen,
            "The request was not sent: its host has failed several times in a row. \(when)"
        )
    }
}
