import Apus

/// What became of one item: a line of the report, and what the views count.
struct FetchResult: Sendable {
    enum Outcome: String, Sendable, CaseIterable {
        /// An answer below 400, its body complete.
        case fetched
        /// An answer of 304: the file that is there is still right.
        case unchanged
        /// A line that is no URL, an answer of 400 and more, or no answer at all.
        case failed
        /// Done by an earlier run.
        case skipped
    }

    struct Failure: Sendable {
        /// One word: `connect`, `timeout`, `storage`…
        var code: String
        /// A sentence, not yet made harmless for a terminal.
        var message: String
    }

    var number: Int
    var place: InputPlace
    var outcome: Outcome
    /// Without user and password; nil where the line is no URL.
    var url: URI?
    /// After redirects.
    var finalURL: URI?
    var status: Int?
    /// Of the body, as it was stored.
    var bytes = 0
    var contentType: String?
    /// Of the last attempt.
    var timings: ResponseTimings?
    /// From its start to its end, attempts and waits between them included. In nanoseconds, as it is counted in three places, and a
    /// `Duration` has 128 bits to be divided each time.
    var nanoseconds: Int64 = 0
    var attempts = 0
    var failure: Failure?
    /// Below the folder of `-o`.
    var file: String?
    /// In lower-case hexadecimal digits, if asked for.
    var sha256: String?

    /// ``nanoseconds``.
    var duration: Duration {
        get { .nanoseconds(nanoseconds) }
        set { nanoseconds = newValue.inNanoseconds }
    }
}
