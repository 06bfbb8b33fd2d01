import Glibc

/// The files that a run reads and writes besides bodies: none is taken for another, and no body takes the place of one.
struct RunFiles {
    private struct Entry {
        var option: String
        var path: String
        var isWritten: Bool
    }

    private let entries: [Entry]
    private let cache: String?

    init(_ command: FetchCommand) {
        let (records, tls) = (command.records, command.tls)
        var entries: [Entry] = []
        func add(_ option: String, _ path: String?, isWritten: Bool) {
            guard let path, !path.isEmpty else { return }
            entries.append(Entry(option: option, path: path, isWritten: isWritten))
        }
        add("-i", command.list.input == "-" ? nil : command.list.input, isWritten: false)
        add("--state", records.state, isWritten: true)
        add("--report", records.report, isWritten: true)
        add("--html-report", command.watching.htmlReport, isWritten: true)
        add("--cookie-jar", command.sending.cookieJar, isWritten: true)
        let data = command.sending.data.flatMap { $0.hasPrefix("@") ? String($0.dropFirst()) : nil }
        add("--data", data, isWritten: false)
        add("--cacert", tls.cacert, isWritten: false)
        add("--cert", tls.cert, isWritten: false)
        add("--key", tls.key, isWritten: false)
        self.entries = entries
        cache = command.storing.httpCache
    }

    /// - Throws: ``RunFilesError`` if one is named twice, and written.
    func check() throws {
        var known: [String: Entry] = [:]
        for entry in entries {
            guard let identity = Self.identity(of: entry.path) else { continue }
            if let other = known[identity], other.isWritten || entry.isWritten {
                throw RunFilesError(
                    description:
                        "\(other.option) and \(entry.option) name the same file, \(entry.path): name another one"
                )
            }
            known[identity] = entry
        }
    }

    /// Those below a folder, by their names there, and their options.
    func names(below folder: String) -> [String: String] {
        guard let root = Self.real(folder) else { return [:] }
        var names: [String: String] = [:]
        let prefix = root == "/" ? root : root + "/"
        for (option, path) in entries.map({ ($0.option, $0.path) }) + (cache.map { [("--http-cache", $0)] } ?? []) {
            // A link is no less the run's own than what it leads to.
            for case let place? in [Self.place(of: path), Self.place(of: path, followingLast: false)]
            where place.hasPrefix(prefix) {
                names[String(place.dropFirst(prefix.count))] = option
            }
        }
        return names
    }

    // MARK: - Where a path leads

    /// The same for all paths of one file; nil for pipes, devices and the like, which may be named twice.
    private static func identity(of path: String) -> String? {
        var status = stat()
        guard stat(path, &status) == 0 else { return place(of: path) }
        return status.st_mode & S_IFMT == S_IFREG ? "\(status.st_dev) \(status.st_ino)" : nil
    }

    /// Its absolute path without links, whether or not it is there already.
    ///
    /// - Parameter followingLast: whether its last name may not be a link either.
    private static func place(of path: String, followingLast: Bool = true) -> String? {
        if followingLast, let real = real(path) { return real }
        var parts = path.split(separator: "/", omittingEmptySubsequences: true)
        guard let name = parts.popLast() else { return nil }
        let folder = (path.hasPrefix("/") ? "/" : "") + parts.joined(separator: "/")
        return real(folder.isEmpty ? "." : folder).map { $0 == "/" ? "/\(name)" : "\($0)/\(name)" }
    }

    private static func real(_ path: String) -> String? {
        guard let real = realpath(path, nil) else { return nil }
        defer { free(real) }
        return String(cString: real)
    }
}

/// Two options name one file.
struct RunFilesError: Error, CustomStringConvertible {
    var description: String
}
