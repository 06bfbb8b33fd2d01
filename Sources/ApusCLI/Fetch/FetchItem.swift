import Apus
import HTTPTypes

/// One thing to fetch, as the input says it.
struct FetchItem: Sendable, Equatable {
    /// Its number in the whole input, from 1: each argument takes one, then each line of the file (empty ones too), and a range as many
    /// as it has members. The same input gives the same numbers, so a resumed run knows by them what is done.
    var number: Int
    /// Where it stands, for messages. Its text may hold a secret.
    var place: InputPlace
    var uri: URI
    /// What a line of JSON asks for; nil is the command line's.
    var method: HTTPRequest.Method?
    var headers: HTTPFields?
    var body: [UInt8]?
    /// The name below the folder of `-o`, as it was written; not checked yet.
    var output: String?
}
