import ApusNet
import ApusRuntime
import ApusWire

extension CookieJar {
    /// Writes all cookies to a file, as JSON: also those that would end with the jar.
    ///
    /// Only its owner can read the file (mode 0600). It takes the place of one that was there when all of it is written: nobody sees
    /// half of it, and the old one stays if this fails.
    ///
    /// - Throws: ``ClientError`` `.fileFailed` with the system's reason.
    ///
    /// Cancel safety: the file is as it was, or complete.
    public func save(to path: String) async throws {
        try await write(try JSONCoding.encode(CookieFile(cookies)), to: path)
    }

    /// Adds the cookies of a file that ``save(to:)`` has written, in the place of those of the same name, domain and path. What has
    /// ended since is left out.
    ///
    /// - Throws: ``ClientError`` `.fileFailed` if the file cannot be read, such as one that is not there; `.invalidCookieFile` if it is
    ///   damaged, or no such file. The jar stays as it was then.
    ///
    /// Cancel safety: the jar is as it was, or has all of them.
    public func load(from path: String) async throws {
        let bytes = try await read(path)
        let file: CookieFile
        do {
            file = try JSONCoding.decode(CookieFile.self, from: bytes)
        } catch {
            // Without the decoder's words, which quote what they did not understand.
            throw Self.invalid(path, "it is not the JSON of `save(to:)`, or cut off")
        }
        guard file.version == CookieFile.currentVersion else {
            throw Self.invalid(path, "its version is \(file.version), and \(CookieFile.currentVersion) is understood")
        }
        guard let cookies = file.checked else {
            throw Self.invalid(path, "one of its cookies is none that a server can have set")
        }
        add(cookies)
    }

    /// Writes the cookies to a file of Netscape's form, as curl's `--cookie-jar` and wget do. It has no place for SameSite and
    /// Partitioned, nor for cookies without a name or with a tab.
    ///
    /// - Throws: as ``save(to:)``.
    ///
    /// Cancel safety: as ``save(to:)``.
    public func save(netscape path: String) async throws {
        try await write(NetscapeCookieFile.text(cookies), to: path)
    }

    /// Adds the cookies of a file of Netscape's form, such as curl's: see ``load(from:)``.
    ///
    /// - Throws: as ``load(from:)``; the error names the line.
    ///
    /// Cancel safety: as ``load(from:)``.
    public func load(netscape path: String) async throws {
        let bytes = try await read(path)
        do {
            add(try NetscapeCookieFile.parse(bytes))
        } catch let problem as NetscapeCookieFile.Problem {
            throw Self.invalid(path, "line \(problem.line): \(problem.message)")
        }
    }

    private func add(_ cookies: [Cookie]) {
        guard !isDisabled else { return }
        // The list may know more than it did when the file was written, or the file be another program's.
        let kept = cookies.filter { $0.isHostOnly || isOwned($0.domain) }
        withStore { store, moment in
            for cookie in kept { _ = store.insert(cookie, at: moment) }
        }
    }

    private func read(_ path: String) async throws -> [UInt8] {
        do {
            return try await offload { try WholeFile.read(path, limit: CookieFile.largest) }
        } catch let error as NetError {
            throw ClientError(.fileFailed, "\(error)", cause: error)
        }
    }

    private func write(_ bytes: [UInt8], to path: String) async throws {
        do {
            let file = try OutputFile(path: path, mode: 0o600)
            do {
                try await offload {
                    try file.write(bytes)
                    try file.finish(syncs: true, modified: nil)
                }
            } catch {
                try? await withShield { try await offload { file.discard() } }
                throw error
            }
        } catch let error as NetError {
            throw ClientError(.fileFailed, "\(error)", cause: error)
        }
    }

    private static func invalid(_ path: String, _ reason: String) -> ClientError {
        ClientError(
            .invalidCookieFile,
            "“\(path)” is no cookie file that can be read: \(reason). The jar stays as it was."
        )
    }
}
