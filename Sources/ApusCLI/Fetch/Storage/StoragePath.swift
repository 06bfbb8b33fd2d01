import Apus
import Glibc

/// Where a body is stored below the folder of `-o`.
///
/// | | name |
/// |---|---|
/// | of a URL | the last part of its path |
/// | of a URL, in a tree | `host/path`, or `host_port/path` if the port is not the scheme's own |
/// | `/` at the end of the path | `index.html` |
/// | `?query` | `@query` at the end of the name |
///
/// What a server says is never part of a name. A URL's own parts are kept as they are, percent-encoded; what would not be a name of its
/// own, or not everywhere, is made safe: see ``safe(_:)``. A name that the input asks for is refused rather than changed, as whoever wrote
/// it relies on it.
struct StoragePath: Sendable, Equatable {
    // No name is empty, `.` or `..`, has a slash or a control character, or is longer than ``maximumName``.
    var folders: [String]
    var file: String

    /// Folders and at last the file.
    var names: [String] { folders + [file] }

    static let index = "index.html"
    /// Of the 255 bytes of most file systems, what leaves room for `.file` and the number of ``StorageNames``.
    static let maximumName = 220
    /// Together with the folder of `-o` well below the 4,096 bytes that one path may have.
    static let maximumLength = 3_000

    private init(folders: [String], file: String) {
        self.folders = folders
        self.file = file
    }

    init(names: [String]) { self.init(folders: Array(names.dropLast()), file: names.last ?? "") }

    var text: String { folders.isEmpty ? file : names.joined(separator: "/") }

    // MARK: - Of a URL

    init(_ uri: URI, tree: Bool) {
        if !tree, let file = Self.plainFile(of: uri) {
            self.init(folders: [], file: file)
            return
        }
        var host = uri.host
        if let port = uri.port, port != (uri.isSecure ? 443 : 80) { host += "_\(port)" }
        self.init(host: tree ? host : nil, path: uri.path, query: uri.query)
    }

    /// What stands behind the last slash, if nothing has to be done to make a name of it; nil for all else. Without a text for each of the
    /// URI's parts, which cost four times as much as the rest of a name's way.
    private static func plainFile(of uri: URI) -> String? {
        let file: String?? = uri.description.utf8.withContiguousStorageIfAvailable { bytes in
            var start = bytes.count
            // A URI is visible ASCII, so nothing but the ends of its parts has to be looked for.
            while start > 0, bytes[start - 1] != UInt8(ascii: "/") {
                let byte = bytes[start - 1]
                guard byte != UInt8(ascii: "?"), byte != UInt8(ascii: "#"), byte & 0x80 == 0 else { return nil }
                start -= 1
            }
            // The slash may be one of a query.
            guard start > 0, let base = bytes.baseAddress, memchr(base, 0x3F, start) == nil,
                memchr(base, 0x23, start) == nil
            else { return nil }
            let name = UnsafeBufferPointer(rebasing: bytes[start...])
            return isPlain(name) ? String(decoding: name, as: UTF8.self) : nil
        }
        return file ?? nil
    }

    /// - Parameter host: nil outside of a tree.
    init(host: String?, path: String, query: String?) {
        let end = path.utf8.lastIndex(of: UInt8(ascii: "/"))
        let last = end.map { path[path.utf8.index(after: $0)...] } ?? path[...]
        var file = last.isEmpty ? Self.index : String(last)
        if let query { file += "@" + query }
        file = Self.safe(file)
        guard let host else {
            self.init(folders: [], file: file)
            return
        }
        // Empty segments are not folders, either.
        let folders = path[..<(end ?? path.startIndex)].split(separator: "/").map { Self.safe(String($0)) }
        let names = [Self.safe(host)] + folders + [file]
        let isLong = names.reduce(0, { $0 + $1.utf8.count + 1 }) > Self.maximumLength
        self.init(names: isLong ? [names[0], "~" + StableHash(names.joined(separator: "/")).digits] : names)
    }

    // MARK: - Of a line of JSON

    /// The path that was written there.
    init(output: String) throws(StorageError) {
        guard !output.isEmpty else { throw .refused("the output is empty") }
        guard !output.hasPrefix("/") else {
            throw .refused("the output is an absolute path, and has to be one below the folder of -o")
        }
        guard !output.unicodeScalars.contains(where: Self.isHidden) else {
            throw .refused("the output has a control character")
        }
        guard !output.hasSuffix("/") else { throw .refused("the output is the name of a folder") }
        var names: [String] = []
        for name in output.split(separator: "/").map(String.init) where name != "." {
            guard name != ".." else {
                throw .refused("the output has .. in it, and has to stay below the folder of -o")
            }
            guard name.utf8.count <= Self.maximumName else {
                throw .refused(
                    "the output has a name of \(name.utf8.count) bytes, and \(Self.maximumName) are the most"
                )
            }
            guard !name.hasPrefix(StagingFolder.name) else {
                throw .refused("the output has the name of apus's own folder")
            }
            names.append(Self.isDevice(name) ? "_" + name : name)
        }
        guard !names.isEmpty else { throw .refused("the output is the name of a folder") }
        guard output.utf8.count <= Self.maximumLength else {
            throw .refused("the output has \(output.utf8.count) bytes, and \(Self.maximumLength) are the most")
        }
        self.init(names: names)
    }

    /// Characters that command a terminal, or turn what stands beside them.
    private static func isHidden(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x00...0x1F, 0x7F...0x9F, 0x061C, 0x200E...0x200F, 0x2028...0x202E, 0x2066...0x2069: true
        default: false
        }
    }

    // MARK: - Safe names

    /// A name that is one on its own: slashes and control characters are percent-encoded, as are `.` and `..`, the name of a device or of
    /// our folder gets a `_` in front, and of a long one stays the beginning, a hash and the ending.
    static func safe(_ text: String) -> String {
        // Nearly all are safe as they are.
        if isPlain(text) { return text }
        var name = encoded(text)
        switch name {
        case "": return "_"
        case ".": return "%2E"
        case "..": return "%2E%2E"
        default: break
        }
        if isDevice(name) || name.hasPrefix(StagingFolder.name) { name = "_" + name }
        guard name.utf8.count > maximumName else { return name }
        var ending = ""
        if let dot = name.lastIndex(of: "."), name[dot...].utf8.count <= 10 { ending = String(name[dot...]) }
        let suffix = "~" + StableHash(name).digits + ending
        var prefix = name.prefix(maximumName - suffix.utf8.count)
        while prefix.utf8.count > maximumName - suffix.utf8.count { prefix.removeLast() }
        return prefix + suffix
    }

    /// Whether nothing has to be done; false for some names for which that is true, too.
    private static func isPlain(_ text: String) -> Bool {
        var text = text
        return text.withUTF8 { isPlain($0) }
    }

    private static func isPlain(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
        guard let first = bytes.first, first != UInt8(ascii: "."), bytes.count <= maximumName else { return false }
        // A device's name has three or four letters in front of a dot.
        let mayBeDevice =
            beginsAsDevice(first)
            && (bytes.count <= 4 || bytes[3] == UInt8(ascii: ".") || bytes[4] == UInt8(ascii: "."))
        return !mayBeDevice && !bytes.contains(where: isEncoded)
    }

    private static func encoded(_ text: String) -> String {
        guard text.utf8.contains(where: isEncoded) else { return text }
        var result: [UInt8] = []
        for byte in text.utf8 {
            if isEncoded(byte) {
                result += Array("%\(byte < 16 ? "0" : "")\(String(byte, radix: 16, uppercase: true))".utf8)
            } else {
                result.append(byte)
            }
        }
        return String(decoding: result, as: UTF8.self)
    }

    /// A URI is ASCII; of anything else only the bytes stay.
    private static func isEncoded(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: "/") || byte < 0x20 || byte >= 0x7F
    }

    /// What Windows takes for a device, whatever stands behind the first dot: folders are copied to there, and shared with it.
    private static func isDevice(_ name: String) -> Bool {
        // Before anything else: most names are none, and the text's own views are slow.
        guard let first = name.utf8.first, beginsAsDevice(first) else { return false }
        guard (3...4).contains(name.utf8.prefix { $0 != UInt8(ascii: ".") }.count) else { return false }
        let stem = name.prefix { $0 != "." }.lowercased()
        switch stem {
        case "con", "prn", "aux", "nul": return true
        default:
            guard let last = stem.utf8.last, (0x30...0x39).contains(last) else { return false }
            return stem.dropLast() == "com" || stem.dropLast() == "lpt"
        }
    }

    private static func beginsAsDevice(_ byte: UInt8) -> Bool {
        switch byte | 0x20 {
        case UInt8(ascii: "a"), UInt8(ascii: "c"), UInt8(ascii: "l"), UInt8(ascii: "n"), UInt8(ascii: "p"): true
        default: false
        }
    }
}
