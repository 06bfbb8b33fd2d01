import Synchronization

/// Collects the outcomes of checks, from any thread, and prints each once.
final class Report: Sendable {
    private let counts = Mutex((passed: 0, failed: 0))

    func check(_ holds: Bool, _ claim: String) {
        counts.withLock {
            if holds { $0.passed += 1 } else { $0.failed += 1 }
            print(holds ? "ok   \(claim)" : "FAIL \(claim)")
        }
    }

    func equal<Value: Equatable>(_ found: Value, _ expected: Value, _ claim: String) {
        check(found == expected, found == expected ? claim : "\(claim): \(found), not \(expected)")
    }

    /// Notes an error as a failure.
    func attempt(_ claim: String, _ body: () async throws -> Void) async {
        do { try await body() } catch { check(false, "\(claim): \(error)") }
    }

    /// Prints the sum. Returns the exit status.
    func finish() -> Int32 {
        let (passed, failed) = counts.withLock { $0 }
        print("\(passed) passed, \(failed) failed")
        return failed == 0 ? 0 : 1
    }
}
