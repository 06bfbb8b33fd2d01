import Apus
import Glibc

/// The URLs to fetch, one after the other: those of the command line, then the lines of a file, read as they are needed.
struct URLSource {
    enum Target: Equatable {
        case url(URI)
        /// What is no URL: where it stands (its text may hold a secret), and why not.
        case invalid(place: String, reason: String)
    }

    private var arguments: ArraySlice<String>
    private var argumentNumber = 0
    private var list: URLList?

    init(arguments: [String], list: URLList?) {
        self.arguments = arguments[...]
        self.list = list
    }

    /// The next one, nil at the end.
    ///
    /// - Throws: ``URLListError``, `CancellationError`.
    ///
    /// Cancel safety: the list is lost.
    mutating func next() async throws -> Target? {
        if let argument = arguments.popFirst() {
            argumentNumber += 1
            return Self.target(argument, at: "argument-\(argumentNumber)")
        }
        while let line = try await list?.next() {
            switch line {
            case .text(let text, let number):
                if text.isEmpty || text.hasPrefix("#") { continue }
                return Self.target(text, at: "\(list?.name ?? ""):\(number)")
            case .tooLong(let number):
                let reason = "the line has more than \(URLList.maximumLine) bytes"
                return .invalid(place: "\(list?.name ?? ""):\(number)", reason: reason)
            }
        }
        return nil
    }

    private static func target(_ text: String, at place: String) -> Target {
        // "localhost:8080" and "user:password@host" are URIs too, with a host or a user's name in the scheme's place.
        guard let colon = text.firstIndex(of: ":"), text[colon...].hasPrefix("://") else {
            return .invalid(place: place, reason: noScheme)
        }
        do {
            return .url(try URI(text))
        } catch {
            return .invalid(place: place, reason: error.code == .invalidScheme ? noScheme : error.message)
        }
    }

    private static let noScheme = "a URL begins with http:// or https://"
}

/// The lines of a file or of standard input. Only one piece of the file is in memory.
struct URLList {
    enum Line: Equatable {
        case text(String, number: Int)
        case tooLong(number: Int)
    }

    /// As long as a URL may be.
    static let maximumLine = URI.maximumLength
    private static let pieceSize = 64 * 1024

    /// How messages call it.
    let name: String
    private let descriptor: Int32
    private var bytes: [UInt8] = []
    private var start = 0
    private var number = 0
    private var isAtEnd = false
    private var isSkipping = false

    /// - Parameter path: `-` for standard input.
    init(path: String) throws {
        guard path != "-" else {
            name = "stdin"
            descriptor = STDIN_FILENO
            return
        }
        name = path
        descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw URLListError(path, errno) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw URLListError(path, errno) }
        guard status.st_mode & S_IFMT != S_IFDIR else { throw URLListError(path, EISDIR) }
    }

    /// The next line, without white space around it; nil at the end.
    mutating func next() async throws -> Line? {
        while true {
            if let end = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) {
                let line = bytes[start..<end]
                start = end + 1
                number += 1
                if isSkipping {
                    isSkipping = false
                    continue
                }
                return finished(line)
            }
            if isAtEnd {
                defer { start = bytes.count }
                guard start < bytes.count, !isSkipping else { return nil }
                number += 1
                return finished(bytes[start...])
            }
            bytes.removeSubrange(..<start)
            start = 0
            if bytes.count > Self.maximumLine {
                bytes = []
                if !isSkipping {
                    isSkipping = true
                    return .tooLong(number: number + 1)
                }
            }
            try await read()
        }
    }

    private func finished(_ line: ArraySlice<UInt8>) -> Line {
        guard line.count <= Self.maximumLine else { return .tooLong(number: number) }
        var line = line
        // A byte order mark, which some editors put first.
        if number == 1, line.starts(with: [0xEF, 0xBB, 0xBF]) { line = line.dropFirst(3) }
        func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0D }
        line = line.drop(while: isSpace)
        while let last = line.last, isSpace(last) { line.removeLast() }
        return .text(String(decoding: line, as: UTF8.self), number: number)
    }

    private mutating func read() async throws {
        let (descriptor, name) = (descriptor, name)
        let piece = try await offload {
            var count = 0
            var reason: Int32 = 0
            let piece = [UInt8](unsafeUninitializedCapacity: Self.pieceSize) { buffer, filled in
                repeat {
                    count = Glibc.read(descriptor, buffer.baseAddress, buffer.count)
                } while count < 0 && errno == EINTR
                reason = errno
                filled = max(0, count)
            }
            guard count >= 0 else { throw URLListError(name, reason) }
            return piece
        }
        if piece.isEmpty { isAtEnd = true }
        bytes += piece
    }
}

/// A list of URLs could not be read.
struct URLListError: Error, CustomStringConvertible {
    var description: String

    init(_ name: String, _ errno: Int32) { description = "cannot read \(name): \(String(cString: strerror(errno)))" }
}
