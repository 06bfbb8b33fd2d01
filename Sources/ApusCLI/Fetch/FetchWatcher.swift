/// Whoever wants to see a run while it goes on: the live view, the plain lines, the collector of the summary and of the HTML report.
///
/// The run calls these on its loop's threads (several with `--loops`), once per event, and waits for none: they must be quick, and safe
/// from any thread.
protocol FetchWatcher: Sendable {
    /// A first attempt begins. `host` is `host:port`.
    func began(host: String)
    /// A piece of a body has come.
    func received(bytes: Int, host: String)
    /// Another attempt will be made.
    func retrying(host: String)
    /// An item is over. `host` is nil where the line is no URL.
    func finished(_ result: FetchResult, host: String?)
}
