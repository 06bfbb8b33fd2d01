/// What a cache's store has, in the order of last use: entries by key and variant, each with a cost, and a limit for all together. A value
/// that knows neither memory nor disks. Every step takes the same time however many entries there are.
struct CacheIndex<Value: Sendable>: Sendable {
    /// One entry's name: the request's key, and which of its variants.
    struct Name: Sendable, Hashable {
        var key: String
        var variant: String
    }

    private struct Node: Sendable {
        var name: Name
        var value: Value
        var cost: Int
        var newer: Int?
        var older: Int?
    }

    let limit: Int
    /// Variants of one key beyond this replace the oldest one, so that nobody can fill the cache with one URL.
    let variantLimit: Int
    private(set) var cost = 0
    private var nodes: [Node?] = []
    private var free: [Int] = []
    private var indices: [Name: Int] = [:]
    private var variants: [String: [String]] = [:]
    private var newest: Int?
    private var oldest: Int?

    init(limit: Int, variantLimit: Int) {
        self.limit = limit
        self.variantLimit = variantLimit
    }

    var count: Int { indices.count }

    /// The entries of a key, newest first.
    func entries(_ key: String) -> [(name: Name, value: Value)] {
        guard let variants = variants[key] else { return [] }
        return variants.reversed().compactMap { variant in
            let name = Name(key: key, variant: variant)
            return indices[name].flatMap { nodes[$0] }.map { (name, $0.value) }
        }
    }

    /// The most recently used comes to be the last to go.
    mutating func touch(_ name: Name) {
        guard let index = indices[name] else { return }
        unlink(index)
        link(index)
    }

    /// Puts an entry in, in the place of one with its name.
    ///
    /// - Returns: what had to go for it: the one with its name included, and itself if it is larger than all may be.
    mutating func insert(_ name: Name, _ value: Value, cost: Int) -> [(name: Name, value: Value)] {
        var gone: [(Name, Value)] = []
        if let old = remove(name) { gone.append((name, old)) }
        guard cost <= limit else { return gone + [(name, value)] }
        if let known = variants[name.key], known.count >= variantLimit {
            let first = Name(key: name.key, variant: known[0])
            if let old = remove(first) { gone.append((first, old)) }
        }
        let node = Node(name: name, value: value, cost: cost, newer: nil, older: nil)
        let index: Int
        if let reused = free.popLast() {
            index = reused
            nodes[index] = node
        } else {
            index = nodes.count
            nodes.append(node)
        }
        indices[name] = index
        variants[name.key, default: []].append(name.variant)
        self.cost += cost
        link(index)
        while self.cost > limit, let last = oldest, let name = nodes[last]?.name, let old = remove(name) {
            gone.append((name, old))
        }
        return gone
    }

    @discardableResult
    mutating func remove(_ name: Name) -> Value? {
        guard let index = indices.removeValue(forKey: name), let node = nodes[index] else { return nil }
        unlink(index)
        nodes[index] = nil
        free.append(index)
        cost -= node.cost
        variants[name.key]?.removeAll { $0 == name.variant }
        if variants[name.key]?.isEmpty == true { variants[name.key] = nil }
        return node.value
    }

    /// Removes all of a key.
    mutating func removeAll(_ key: String) -> [(name: Name, value: Value)] {
        (variants[key] ?? []).compactMap { variant in
            let name = Name(key: key, variant: variant)
            return remove(name).map { (name, $0) }
        }
    }

    /// Removes all.
    mutating func removeAll() -> [(name: Name, value: Value)] {
        let all = nodes.compactMap { $0 }.map { ($0.name, $0.value) }
        self = CacheIndex(limit: limit, variantLimit: variantLimit)
        return all
    }

    private mutating func link(_ index: Int) {
        nodes[index]?.older = newest
        nodes[index]?.newer = nil
        if let newest { nodes[newest]?.newer = index }
        newest = index
        if oldest == nil { oldest = index }
    }

    private mutating func unlink(_ index: Int) {
        guard let node = nodes[index] else { return }
        if let newer = node.newer { nodes[newer]?.older = node.older } else { newest = node.older }
        if let older = node.older { nodes[older]?.newer = node.newer } else { oldest = node.newer }
    }
}
