import Apus
import HTTPTypes

/// One thing to fetch, as the input says it. A class, as it never changes and is handed on a dozen times.
final class FetchItem: Sendable {
    /// Its number in the whole input, from 1: each argument takes one, then each line of the file (empty ones too), and a range as many
    /// as it has members. The same input gives the same numbers, so a resumed run knows by them what is done.
    let number: Int
    /// Where it stands, for messages. Its text may hold a secret.
    let place: InputPlace
    let uri: URI
    /// What a line of JSON asks for; nil is the command line's.
    let method: HTTPRequest.Method?
    let headers: HTTPFields?
    let body: [UInt8]?
    /// The name below the folder of `-o`, as it was written; not checked yet.
    let output: String?
    /// Whether it leaves method and body to the command line, as all but lines of JSON do.
    let isPlain: Bool

    init(
        number: Int,
        place: InputPlace,
        uri: URI,
        method: HTTPRequest.Method? = nil,
        headers: HTTPFields? = nil,
        body: [UInt8]? = nil,
        output: String? = nil
    ) {
        self.number = number
        self.place = place
        self.uri = uri
        self.method = method
        self.headers = headers
        self.body = body
        self.output = output
        isPlain = method == nil && body == nil
    }
}

extension FetchItem: Equatable {
    static func == (left: FetchItem, right: FetchItem) -> Bool {
        left.number == right.number && left.place == right.place && left.uri == right.uri && left.method == right.method
            && left.headers == right.headers && left.body == right.body && left.output == right.output
    }
}
