// error: type 'Page' does not conform to the 'Sendable' protocol
import Apus

final class Page {
    var text = ""
}

func program(_ loop: EventLoop) async throws {
    let page = try await loop.spawn { Page() }.value
    print(page.text)
}
