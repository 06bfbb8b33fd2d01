/// What has to go where there is too much. A full jar is nothing unusual, so that nothing here looks at all cookies for each new one.
extension CookieStore {
    /// RFC 6265bis §5.7: ended ones go first, then of a domain with too many those that are not Secure, then its others, then any. Of
    /// equals the one goes that was not used for longest.
    mutating func evict(_ domain: String, _ moment: CookieMoment) {
        if let entries = domains[domain], entries.count > limits.perDomain {
            var kept = entries.filter { !$0.hasEnded(moment) }
            while kept.count > limits.perDomain {
                let oldest = kept.indices.min { left, right in
                    let (left, right) = (kept[left], kept[right])
                    if left.cookie.isSecure != right.cookie.isSecure { return !left.cookie.isSecure }
                    return left.used < right.used
                }
                guard let oldest else { break }
                kept.remove(at: oldest)
            }
            removed(entries.count - kept.count)
            keep(kept, of: domain)
        }
        guard count > limits.total else { return }
        removeEnded(moment)
        while count > limits.total {
            if unused.isEmpty { orderByUse() }
            guard let oldest = unused.popLast() else { break }
            // Nothing if it has gone, or was used since: each use has another number.
            remove(in: oldest.domain) { $0.used == oldest.turn }
        }
    }

    /// Removes what has ended; looks only if something can have.
    private mutating func removeEnded(_ moment: CookieMoment) {
        guard earliestEnd < moment.wall else { return }
        remove { $0.hasEnded(moment) }
        earliestEnd = domains.values.joined().compactMap { $0.cookie.expires?.secondsSince1970 }.min() ?? .max
    }

    /// Whatever is used or set from now on is younger than all of these, so that the order holds until the list is used up: sorting
    /// once serves as many evictions as there are cookies.
    private mutating func orderByUse() {
        unused = domains.flatMap { domain, entries in entries.map { (domain, $0.used) } }
        unused.sort { $0.turn > $1.turn }
    }
}
