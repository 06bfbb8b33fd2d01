import Glibc

/// How many files and connections this process may have.
enum DescriptorLimit {
    /// What the program itself has open: its standard streams, its loops, its records, the folders that it walks.
    private static let own = 48

    /// Asks for as many as are allowed: each URL under way needs up to three, and the usual limit is 1,024.
    ///
    /// - Returns: how many there may be.
    @discardableResult static func raise() -> Int {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return .max }
        if limit.rlim_cur < min(limit.rlim_max, 65_536) {
            let before = limit.rlim_cur
            limit.rlim_cur = min(limit.rlim_max, 65_536)
            if setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) != 0 { limit.rlim_cur = before }
        }
        return Int(clamping: limit.rlim_cur)
    }

    /// How many URLs may be under way, at least 1, where each needs so many of `allowed` descriptors.
    static func room(in allowed: Int, each: Int) -> Int { max(1, (allowed - own) / each) }
}
