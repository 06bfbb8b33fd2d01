import Apus

// The server that the examples talk to, so that they need no network.
//
//     /page/N    page N, at once
//     /slow/N    page N, after 300 ms

/// The URLs on the command line, nil if there are none: an example then uses its own.
public var argumentURLs: [String]? {
    let arguments = CommandLine.arguments.dropFirst()
    return arguments.isEmpty ? nil : Array(arguments)
}

/// The port on the command line, nil if there is none: a server then takes a free one, and tries itself out.
public var argumentPort: Int? { CommandLine.arguments.dropFirst().first.flatMap { Int($0) } }

/// Runs `body` with the address of a server that lives as long, such as `http://127.0.0.1:40123`.
public func withExampleServer<Success>(
    _ body: nonisolated(nonsending) (_ baseURL: String) async throws -> Success
) async throws -> Success {
    let server = try await HTTPServer.start { request in
        let parts = request.path.split(separator: "/")
        guard parts.count == 2, let number = Int(parts[1]) else { return .status(.notFound) }
        switch parts[0] {
        case "page": break
        case "slow": try await sleep(for: .milliseconds(300))
        default: return .status(.notFound)
        }
        return .text(page(number), headers: [.contentType: "text/html; charset=utf-8"])
    }
    do {
        let result = try await body("http://\(server.address)")
        await server.shutdown()
        return result
    } catch {
        await server.shutdown()
        throw error
    }
}

private func page(_ number: Int) -> String {
    """
    <!doctype html>
    <html lang="en">
    <title>Page \(number)</title>
    <p>This is page \(number) of a small server that runs inside the example, on the same event loop as the client.</p>
    </html>

    """
}
