// error: type 'Page' does not conform to the 'Sendable' protocol
import Apus

final class Page {
    var text = ""
}

func program() async throws {
    let page = try await race([1, 2]) { _ in Page() }
    print(page.text)
}
