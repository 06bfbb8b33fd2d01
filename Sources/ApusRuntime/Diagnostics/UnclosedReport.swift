import Logging

// Debug mode: what somebody forgot to close, as Python's ResourceWarning tells it. Dropping closes it, but who knows when that is.
extension EventLoop {
    /// Where a resource is made, for ``reportUnclosed(_:madeAt:)``. Nil out of debug mode.
    @inline(__always)
    package var resourceSite: CallTrace? { options.debug ? traceHere() : nil }

    /// Called when a resource is closed because the last reference to it was dropped.
    ///
    /// - Parameter site: nil does nothing.
    package func reportUnclosed(_ resource: @autoclosure () -> String, madeAt site: CallTrace?) {
        guard let site, !isForked else { return }
        let resource = resource()
        DebugReports.add { [logger, name] in
            logger.warning(
                """
                \(resource) on event loop “\(name)” was dropped without close(), and is closed now. It was made by \(site). \
                Await `close()` when you are done with it.
                """
            )
        }
    }

    /// The calls that led here, and if this is a hop for somebody, those of that one.
    @inline(never)
    private func traceHere() -> CallTrace {
        let here = CallTrace.here()
        guard let hop = registry.tracked(currentTaskID())?.creationSite else { return here }
        return here.followed(by: hop)
    }
}
