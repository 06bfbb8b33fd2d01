import Glibc

/// What has to be the same for a run to go on with another's work: its input, and where it stores what.
struct RunIdentity: Sendable, Equatable {
    enum Input: Sendable, Equatable {
        case none
        /// Standard input, a pipe: nothing is known of it but the numbers of its lines.
        case stream
        case file(InputIdentity)
    }

    var argumentCount: Int
    /// Of the arguments, without users and passwords: those may change, and are not to be found out.
    var argumentHash: UInt64
    var input: Input
    /// Where the folder of `-o` really is; nil without one.
    var output: String?
    var tree: Bool
    var expandsRanges: Bool

    /// Reads the beginning of the input: call it through `offload`.
    ///
    /// - Throws: ``InputError``.
    init(
        arguments: [String],
        input: InputFile?,
        output: String?,
        tree: Bool = false,
        expandsRanges: Bool = true
    ) throws {
        argumentCount = arguments.count
        var hash = StableHash()
        for argument in arguments {
            hash.combine(Self.withoutUserinfo(argument))
            hash.combine(0)
        }
        argumentHash = hash.value
        self.input = try input.map { try $0.identity().map { .file($0) } ?? .stream } ?? .none
        self.output = output.map(Self.absolute)
        self.tree = output != nil && tree
        self.expandsRanges = expandsRanges
    }

    private static func withoutUserinfo(_ url: String) -> String {
        guard let scheme = url.firstRange(of: "://") else { return url }
        let rest = url[scheme.upperBound...]
        let authority = rest.prefix { $0 != "/" && $0 != "?" && $0 != "#" }
        guard let at = authority.lastIndex(of: "@") else { return url }
        return String(url[..<scheme.upperBound] + rest[rest.index(after: at)...])
    }

    private static func absolute(_ path: String) -> String {
        guard let real = realpath(path, nil) else { return path }
        defer { free(real) }
        return String(
            decoding: UnsafeBufferPointer(start: real, count: strlen(real)).map(UInt8.init(bitPattern:)),
            as: UTF8.self
        )
    }

    /// Why a run with this identity cannot go on with what `earlier` has done; nil if it can.
    func difference(from earlier: RunIdentity) -> String? {
        if argumentCount != earlier.argumentCount || argumentHash != earlier.argumentHash {
            return "it was begun with other URLs as arguments"
        }
        switch (input, earlier.input) {
        case (.none, .none), (.stream, .stream): break
        case (.file(let now), .file(let then)):
            if now.hash != then.hash || now.size != then.size {
                return "the input is not the one that it was begun with"
            }
            if now != then { return "the input was written again since it was begun" }
        case (_, .none): return "it was begun without an input file"
        case (_, .stream): return "it was begun with standard input, or another input that is no file"
        case (_, .file): return "it was begun with an input file"
        }
        if output != earlier.output {
            return earlier.output.map { "it was begun with -o \($0)" } ?? "it was begun without -o"
        }
        if tree != earlier.tree { return "it was begun \(earlier.tree ? "with" : "without") --tree" }
        if expandsRanges != earlier.expandsRanges {
            return "it was begun with ranges \(earlier.expandsRanges ? "expanded" : "taken as they are")"
        }
        return nil
    }

    // MARK: - As text

    /// Lines `key value…`.
    var lines: [String] {
        var lines = ["arguments \(argumentCount) \(StableHash.digits(argumentHash))"]
        switch input {
        case .none: lines.append("input none")
        case .stream: lines.append("input stream")
        case .file(let file):
            lines.append("input file \(file.size) \(file.modified) \(file.nanoseconds) \(StableHash.digits(file.hash))")
        }
        // Hexadecimal, as a path may have any character.
        lines.append("output " + (output.map { $0.utf8.map { Self.hexadecimal($0) }.joined() } ?? "none"))
        lines.append("tree \(tree)")
        lines.append("ranges \(expandsRanges)")
        return lines
    }

    /// - Returns: nil if these are not ``lines`` of an identity.
    init?(lines: [String]) {
        let words = lines.map { $0.split(separator: " ").map(String.init) }
        guard words.count == 5, words.map(\.first) == ["arguments", "input", "output", "tree", "ranges"] else {
            return nil
        }
        guard words[0].count == 3, let count = Int(words[0][1]), let hash = UInt64(words[0][2], radix: 16) else {
            return nil
        }
        (argumentCount, argumentHash) = (count, hash)
        switch (words[1].dropFirst().first, words[1].count) {
        case ("none", 2): input = .none
        case ("stream", 2): input = .stream
        case ("file", 6):
            let numbers = words[1][2...4].compactMap { Int($0) }
            guard numbers.count == 3, let hash = UInt64(words[1][5], radix: 16) else { return nil }
            input = .file(InputIdentity(size: numbers[0], modified: numbers[1], nanoseconds: numbers[2], hash: hash))
        default: return nil
        }
        guard words[2].count == 2, words[3].count == 2, words[4].count == 2 else { return nil }
        if words[2][1] == "none" {
            output = nil
        } else {
            guard let bytes = Self.bytes(words[2][1]), let text = String(validating: bytes, as: UTF8.self) else {
                return nil
            }
            output = text
        }
        guard let tree = Bool(words[3][1]), let expandsRanges = Bool(words[4][1]) else { return nil }
        (self.tree, self.expandsRanges) = (tree, expandsRanges)
    }

    private static func hexadecimal(_ byte: UInt8) -> String { (byte < 16 ? "0" : "") + String(byte, radix: 16) }

    private static func bytes(_ digits: String) -> [UInt8]? {
        let digits = Array(digits.utf8)
        guard digits.count.isMultiple(of: 2) else { return nil }
        var bytes: [UInt8] = []
        for index in stride(from: 0, to: digits.count, by: 2) {
            guard let byte = UInt8(String(decoding: digits[index...index + 1], as: UTF8.self), radix: 16) else {
                return nil
            }
            bytes.append(byte)
        }
        return bytes
    }
}
