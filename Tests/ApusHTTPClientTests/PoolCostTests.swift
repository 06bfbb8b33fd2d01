import Testing

@testable import ApusHTTPClient

#if DEBUG  // What is counted is.
/// Counted in rounds of the pool's loops: what an operation does beyond a constant.
@Suite("Connection pool: cost per request")
struct PoolCostTests {
    private func steps(_ pool: inout PoolState, _ body: (inout PoolState) -> Void) -> Int {
        let before = pool.steps
        body(&pool)
        return pool.steps - before
    }

    /// 10,000 hosts with an idle connection each, or one host with 10,000.
    private func idlePool(hosts: Int, each: Int) -> (PoolState, [HostIndex], [ConnectionID]) {
        var pool = PoolState(PoolState.Limits(total: hosts * each))
        let indices = (0..<hosts).map { _ in pool.addHost() }
        var ids: [ConnectionID] = []
        for host in indices { ids += (0..<each).map { _ in pool.open(host) } }
        for id in ids { _ = pool.release(id, isReusable: true, now: 0) }
        return (pool, indices, ids)
    }

    @Test(
        "with 10,000 idle connections, taking and returning one takes a step, whichever it is",
        arguments: [(10_000, 1), (1, 10_000)]
    )
    func idle(_ hosts: Int, _ each: Int) {
        var (pool, indices, _) = idlePool(hosts: hosts, each: each)
        #expect(pool.idle == 10_000)
        var most = 0
        for index in indices + indices.reversed() {
            most = max(
                most,
                steps(&pool) { pool in
                    guard case .reuse(let id) = pool.acquire(index, now: 0).outcome else { return }
                    _ = pool.release(id, isReusable: true, now: 0)
                }
            )
        }
        #expect(most == 1)
    }

    @Test(
        "closing 10,000 idle connections takes no step each, in whatever order they close",
        arguments: [(10_000, 1), (1, 10_000)],
        [0, 1, 2]
    )
    func closing(_ shape: (Int, Int), _ order: Int) {
        var (pool, _, ids) = idlePool(hosts: shape.0, each: shape.1)
        if order == 1 { ids.reverse() }
        if order == 2 {
            var random = SplitMix(seed: 7)
            ids.shuffle(using: &random)
        }
        let taken = steps(&pool) { pool in for id in ids { _ = pool.idleClosed(id) } }
        #expect(pool.open == 0)
        #expect(taken == 0)
    }

    @Test("evicting for 10,000 further hosts takes no step each")
    func evicting() {
        var (pool, _, _) = idlePool(hosts: 10_000, each: 1)
        let taken = steps(&pool) { pool in
            for _ in 0..<10_000 { _ = pool.open(pool.addHost()) }
        }
        #expect(pool.open == 10_000)
        #expect(taken == 0)
    }

    @Test(
        "10,000 waiters of 10,000 hosts, served or cancelled in any order, take a few steps each",
        arguments: [1, 10_000]
    )
    func waiting(hosts: Int) {
        var pool = PoolState(PoolState.Limits(total: 10, perHost: 2))
        let indices = (0..<hosts).map { _ in pool.addHost() }
        var used = (0..<10).map { pool.open(indices[$0 % hosts]) }.filter { $0 >= 0 }
        var waiters: [WaiterID] = []
        let taken = steps(&pool) { pool in
            for number in 0..<10_000 {
                if case .wait(let waiter) = pool.acquire(indices[number % hosts], now: 0).outcome {
                    waiters.append(waiter)
                }
            }
            var random = SplitMix(seed: 8)
            waiters.shuffle(using: &random)
            for waiter in waiters.prefix(5_000) { _ = pool.cancel(waiter) }
            while pool.waiting > 0, let id = used.popLast() {
                switch pool.release(id, isReusable: true, now: 0) {
                case .handOver: used.append(id)
                case .closeAndOpen(_, let place):
                    _ = pool.opened(place, now: 0)
                    used.append(place)
                case .keep, .close: break
                }
            }
        }
        #expect(waiters.count >= 9_980)
        #expect(pool.waiting == 0)
        #expect(taken < 4 * 10_000)
    }

    @Test("connecting for 10,000 waiters at once, and failing for all, takes a few steps each")
    func attempts() {
        var pool = PoolState(PoolState.Limits(total: 10_000))
        let host = pool.addHost()
        var places: [ConnectionID] = []
        let taken = steps(&pool) { pool in
            for _ in 0..<20_000 {
                if case .connect(_, let id) = pool.acquire(host, now: 0).outcome { places.append(id) }
            }
            for id in places {
                // Its own request has gone before.
                _ = pool.cancel(WaiterID(slot: id, sequence: UInt64(id) + 1))
                if case .closeAndOpen(let waiter, let place) = pool.release(id, isReusable: false, now: 0) {
                    _ = pool.cancel(waiter)
                    pool.abandon(place)
                    _ = pool.release(place, isReusable: false, now: 0)
                }
            }
        }
        #expect(places.count == 10_000)
        #expect(taken < 4 * 20_000)
    }
}
#endif
