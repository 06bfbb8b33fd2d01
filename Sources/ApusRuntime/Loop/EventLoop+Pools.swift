import Logging

// The offload pools that belong to a loop: asyncio's `set_default_executor`, and what `asyncio.run` does with them at its end.
extension EventLoop {
    /// The pools of the options, each once, without the process's.
    private var ownPools: [ThreadPool] {
        var pools: [ThreadPool] = []
        for pool in [options.blockingPool?.threads, options.cpuPool?.threads] {
            if let pool, !pool.isProcessWide, !pools.contains(where: { $0 === pool }) { pools.append(pool) }
        }
        return pools
    }

    func claimPools() {
        for pool in ownPools { pool.claim() }
    }

    /// - Returns: the pools that no other loop has.
    @discardableResult
    func releasePools() -> [ThreadPool] {
        guard state.pointee.hasClaimedPools else { return [] }
        state.pointee.hasClaimedPools = false
        return ownPools.filter { $0.release() }
    }

    /// The end of a loop's work, on its thread: what is left is cancelled and awaited, then the loop's pools get time to end the calls that
    /// nobody awaits any more.
    func windUp() {
        finishLeftovers()
        let pools = releasePools().filter { pool in pool.withLock { pool.unfinishedCount > 0 } }
        guard !pools.isEmpty else { return }
        let timeout = options.offloadDrainTimeout
        let deadline = currentTime().addingClamped(timeout.clampedNanoseconds)
        state.pointee.isFinished = false
        RootTask<Void>(name: nil, loop: self).start {
            for pool in pools {
                await pool.drain(timeout: .nanoseconds(deadline.addingClamped(-self.currentTime())))
            }
        }
        turn()
        for pool in pools {
            let count = pool.withLock { pool.unfinishedCount }
            guard count > 0 else { continue }
            logger.warning(
                """
                Event loop “\(name)” has ended while \(count) calls go on in its offload pool “\(pool.name)”, after a wait of \(timeout). \
                Nothing waits for them any more, and the end of the process ends them. Calls that take long should look at \
                `Task.isCancelled`, and have timeouts of their own.
                """
            )
        }
        // What ended meanwhile may have started something.
        finishLeftovers()
    }
}
