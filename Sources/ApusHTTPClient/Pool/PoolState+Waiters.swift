import HeapModule

// Who waits, in which order, and who is next when a place comes free.
extension PoolState {
    mutating func append(to host: HostIndex, isCovered: Bool) -> WaiterID {
        lastSequence += 1
        let last = hosts[host].lastWaiter
        let waiter = Waiter(host: host, sequence: lastSequence, isCovered: isCovered, previous: last)
        let slot: Int
        if let free = freeWaiters.popLast() {
            slot = free
            waiters[slot] = waiter
        } else {
            slot = waiters.count
            waiters.append(waiter)
        }
        if last == Self.nobody { hosts[host].firstWaiter = slot } else { waiters[last].next = slot }
        hosts[host].lastWaiter = slot
        hosts[host].waiting += 1
        waiting += 1
        if isCovered {
            hosts[host].covered += 1
        } else if hosts[host].firstUncovered == Self.nobody {
            hosts[host].firstUncovered = slot
            nominate(host)
        }
        return WaiterID(slot: slot, sequence: lastSequence)
    }

    mutating func remove(_ slot: Int) {
        let waiter = waiters[slot]
        let host = waiter.host
        if waiter.previous == Self.nobody {
            hosts[host].firstWaiter = waiter.next
        } else {
            waiters[waiter.previous].next = waiter.next
        }
        if waiter.next == Self.nobody {
            hosts[host].lastWaiter = waiter.previous
        } else {
            waiters[waiter.next].previous = waiter.previous
        }
        if waiter.isCovered { hosts[host].covered -= 1 }
        hosts[host].waiting -= 1
        waiting -= 1
        waiters[slot] = Waiter()
        freeWaiters.append(slot)
        if hosts[host].firstUncovered == slot {
            hosts[host].firstUncovered = waiter.next
            nominate(host)
        }
    }

    /// The oldest waiter of a host, who waits no more.
    mutating func takeFirst(of host: HostIndex) -> WaiterID? {
        let slot = hosts[host].firstWaiter
        guard slot != Self.nobody else { return nil }
        let waiter = WaiterID(slot: slot, sequence: waiters[slot].sequence)
        remove(slot)
        rebalance(host)
        return waiter
    }

    /// As many waiters are covered as connections are being opened, if there are so many.
    mutating func rebalance(_ host: HostIndex) {
        while hosts[host].covered > hosts[host].opening {
            step()
            let uncovered = hosts[host].firstUncovered
            let last = uncovered == Self.nobody ? hosts[host].lastWaiter : waiters[uncovered].previous
            waiters[last].isCovered = false
            hosts[host].covered -= 1
            hosts[host].firstUncovered = last
            nominate(host)
        }
        while hosts[host].covered < hosts[host].opening, hosts[host].firstUncovered != Self.nobody {
            step()
            coverFirst(of: host)
        }
    }

    mutating func coverFirst(of host: HostIndex) {
        let slot = hosts[host].firstUncovered
        waiters[slot].isCovered = true
        hosts[host].covered += 1
        hosts[host].firstUncovered = waiters[slot].next
        nominate(host)
    }

    // MARK: Between hosts

    /// Enters the host's oldest uncovered waiter among the candidates, if there is room for it.
    mutating func nominate(_ host: HostIndex) {
        let first = hosts[host].firstUncovered
        guard first != Self.nobody, hosts[host].open < limits.perHost else { return }
        let sequence = waiters[first].sequence
        guard hosts[host].nominated != sequence else { return }
        hosts[host].nominated = sequence
        candidates.insert(Candidate(sequence: sequence, host: host))
        // Entries that are no longer true must not pile up below one that stays on top.
        if candidates.count > 64, candidates.count > 4 * waiting { sweepCandidates() }
    }

    private mutating func sweepCandidates() {
        var kept: [Candidate] = []
        for candidate in candidates.unordered {
            step()
            if isTrue(candidate) { kept.append(candidate) } else { forget(candidate) }
        }
        candidates = Heap(kept)
    }

    private func isTrue(_ candidate: Candidate) -> Bool {
        let first = hosts[candidate.host].firstUncovered
        return first != Self.nobody && waiters[first].sequence == candidate.sequence
            && hosts[candidate.host].open < limits.perHost
    }

    private mutating func forget(_ candidate: Candidate) {
        if hosts[candidate.host].nominated == candidate.sequence { hosts[candidate.host].nominated = 0 }
    }

    /// The oldest waiter who needs a place, and whose host may open one more connection.
    mutating func oldestCandidate() -> Candidate? {
        while let candidate = candidates.min {
            if isTrue(candidate) { return candidate }
            step()
            candidates.removeMin()
            forget(candidate)
        }
        return nil
    }

    /// `waiter` gets a connection of its host. An older one that could have used the place has been passed over; those whose
    /// hosts are at their own limit have not, or one of them would hide the others.
    mutating func passOver(youngerThan waiter: WaiterID) {
        guard let oldest = oldestCandidate(), oldest.sequence < waiter.sequence else { return }
        waiters[hosts[oldest.host].firstUncovered].passedOver += 1
    }

    func passes(_ host: HostIndex) -> Int {
        let first = hosts[host].firstUncovered
        return first == Self.nobody ? 0 : waiters[first].passedOver
    }

    mutating func oldestIsOutOfPatience(besides host: HostIndex) -> Bool {
        guard waiting > 0, let oldest = oldestCandidate(), oldest.host != host else { return false }
        return passes(oldest.host) >= limits.patience
    }
}
