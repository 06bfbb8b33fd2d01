import Apus

/// Runs `body` with the address of a server on this loop: `/page/N` answers at once, `/slow/N` after 300 ms.
func withDemoServer(_ body: nonisolated(nonsending) (_ baseURL: String) async throws -> Void) async throws {
    let server = try await HTTPServer.start { request in
        let parts = request.path.split(separator: "/")
        guard parts.count == 2, let number = Int(parts[1]) else { return .status(.notFound) }
        if parts[0] == "slow" { try await sleep(for: .milliseconds(300)) }
        return .text(page(number), headers: [.contentType: "text/html; charset=utf-8"])
    }
    do {
        try await body("http://\(server.address)")
        await server.shutdown()
    } catch {
        await server.shutdown()
        throw error
    }
}

private func page(_ number: Int) -> String {
    """
    <!doctype html><title>Page \(number)</title>
    <p>This is page \(number) of a server that lives inside the demo, on the same event loop as its client.</p>

    """
}
