import Apus

/// Where the body of a URL is stored below the folder of `-o`: `host_port/path`.
///
/// Names are the URL's own, percent-encoded as they came, so two URLs share a name only if they differ in nothing but the
/// spelling of their dots. What would not be a name of its own becomes one that no URL has, as `%` there is always followed by
/// two hexadecimal digits:
///
/// | in the URL | name |
/// |---|---|
/// | `/` at the end | `%index`, as `/index.html` is another URL |
/// | `?query` | part of the last name, with its `/` as `%2F` |
/// | `.` and `..` | `%2E` and `%2E%2E` |
/// | nothing between two `/` | `%empty` |
/// | more than ``maximumName`` bytes | its beginning and `%long-` with a hash |
///
/// A file where a folder is needed, and the other way round, is the matter of ``StoredFile``.
struct StoragePath: Equatable {
    /// Folders, and at last the file. None is empty, `.` or `..`, or contains `/` or NUL.
    let names: [String]

    /// The file's name if the path ends in `/`.
    static let index = "%index"
    /// Of the 255 bytes of most file systems, what leaves room for ``StoredFile``'s `%file`.
    static let maximumName = 250
    /// Together with the folder of `-o` well below the 4,096 bytes that one path may have.
    static let maximumLength = 3_000

    init(_ uri: URI) {
        let host = uri.effectivePort.map { "\(uri.host)_\($0)" } ?? uri.host
        self.init(host: host, path: uri.path, query: uri.query)
    }

    init(host: String, path: String, query: String?) {
        var segments = path.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        // The path begins with a slash.
        if segments.count > 1 { segments.removeFirst() }
        let last = segments.popLast() ?? ""
        var names = [Self.name(host)]
        names += segments.map(Self.name)
        var file = last.isEmpty ? Self.index : Self.name(last)
        if let query { file += "?" + Self.encoded(query) }
        names.append(Self.shortened(file))
        if names.reduce(0, { $0 + $1.utf8.count + 1 }) > Self.maximumLength {
            names = [names[0], "%long-\(Self.hash(names.joined(separator: "/")))"]
        }
        self.names = names
    }

    private static func name(_ segment: String) -> String {
        switch PercentEncoding.decode(segment) {
        case "": return "%empty"
        case ".": return "%2E"
        case "..": return "%2E%2E"
        default: return shortened(encoded(segment))
        }
    }

    /// What a URI never has in a path, but a file system would misunderstand.
    private static func encoded(_ text: String) -> String {
        var result: [UInt8] = []
        for byte in text.utf8 {
            if byte == UInt8(ascii: "/") || byte < 0x20 || byte == 0x7F {
                result += Array("%\(byte < 16 ? "0" : "")\(String(byte, radix: 16, uppercase: true))".utf8)
            } else {
                result.append(byte)
            }
        }
        return String(decoding: result, as: UTF8.self)
    }

    private static func shortened(_ name: String) -> String {
        guard name.utf8.count > maximumName else { return name }
        let suffix = "%long-\(hash(name))"
        var prefix = name.prefix(maximumName - suffix.utf8.count)
        while prefix.utf8.count > maximumName - suffix.utf8.count { prefix.removeLast() }
        return prefix + suffix
    }

    /// FNV-1a in 64 bits: it tells names apart, and keeps no secret.
    private static func hash(_ text: String) -> String {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in text.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        let digits = String(hash, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
