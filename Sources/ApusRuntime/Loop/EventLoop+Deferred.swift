/// Whoever puts work off until the jobs of the loop's slice have run. Loop thread only.
package protocol DeferredWork: AnyObject {
    /// The slice in which ``EventLoop/defer(_:)`` was called is over. Not part of any task.
    func runDeferred()
}

// Work that is cheaper done in a row, behind the slice's jobs and before the loop looks at the world again.
//
// To send makes the kernel deliver what is sent. A peer on the same machine that sleeps by then is woken, by an interrupt of its core, and
// sleeps again before the next job sends; of sends in a row only the first one has to wake it.
extension EventLoop {
    /// Whether work that is deferred now will not be alone: jobs of this slice follow, or have deferred something. Who is alone gains nothing
    /// by waiting.
    package var gathersWork: Bool { !state.pointee.ready.isEmpty || !state.pointee.deferred.isEmpty }

    /// Has `work` called when this slice's jobs have run, in the order of these calls: a slice takes a quarter of a millisecond and what
    /// its last job takes beyond that. A loop that ends sooner does not call it.
    package func `defer`(_ work: any DeferredWork) {
        state.pointee.deferred.append(work)
    }

    @inline(never)
    func runDeferred() {
        // By index: what is called may defer more.
        var index = 0
        while index < state.pointee.deferred.count {
            let work = state.pointee.deferred[index]
            index += 1
            // Without a watchdog there is nobody to tell of it.
            if state.pointee.monitor == nil {
                work.runDeferred()
            } else {
                runCallback(kind: .callback) { work.runDeferred() }
            }
        }
        state.pointee.deferred.removeAll(keepingCapacity: true)
    }
}
