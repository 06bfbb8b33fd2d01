import Apus
import Glibc

/// What to fetch, one after the other: the arguments, then the lines of a file, read as they are needed.
///
/// Only one piece of the file is in memory, and of a range only the place where it is.
struct URLSource {
    enum Element: Equatable, Sendable {
        case item(FetchItem)
        /// What cannot be fetched: where it stands, and why not. Neither shows what was written there, which may hold a secret.
        indirect case invalid(number: Int, place: String, reason: String)
    }

    private enum Step {
        case element(Element)
        case needsInput
        case end
    }

    private struct Expansion {
        var template: URLTemplate
        var next = 0
        var place: InputPlace
    }

    private var arguments: ArraySlice<String>
    private var argumentNumber = 0
    /// What they stand for, without those that have been looked at.
    private var leftOfArguments: Int
    private let list: InputFile?
    private let expandsRanges: Bool
    private var lines = LineSplitter()
    private var lineNumber = 0
    private var number = 0
    /// How many were given so far, and how many of them were of the list.
    private var given = 0
    private var givenOfList = 0
    private var expansion: Expansion?
    private let json = JSONLine()
    /// What ``isReady`` came upon.
    private var upcoming: Step?

    /// - Parameter expandsRanges: false if braces mean themselves.
    init(arguments: [String], list: InputFile? = nil, expandsRanges: Bool = true) {
        self.arguments = arguments[...]
        self.list = list
        self.expandsRanges = expandsRanges
        leftOfArguments = arguments.reduce(0) { $0 + Self.count($1, expandsRanges) }
    }

    /// The next one, nil at the end.
    ///
    /// - Throws: ``InputError``, `CancellationError`.
    ///
    /// Cancel safety: a piece of the list may be lost; go no further.
    mutating func next() async throws -> Element? {
        while true {
            let step = upcoming ?? step()
            upcoming = nil
            switch step {
            case .element(let element): return given(element)
            case .end: return nil
            case .needsInput: break
            }
            // One trip to a thread for each piece, which holds thousands of lines.
            guard let list else { return nil }
            lines.append(try await offload { try list.read() })
        }
    }

    /// The next one, if it is there without reading. Most are, and a call that may have to wait costs more than to cut a line.
    mutating func nextAtOnce() -> Element? {
        let step = upcoming ?? step()
        upcoming = nil
        switch step {
        case .element(let element): return given(element)
        case .end:
            upcoming = .end
            return nil
        case .needsInput: return nil
        }
    }

    private mutating func given(_ element: Element) -> Element {
        given += 1
        if lineNumber > 0 { givenOfList += 1 }
        return element
    }

    /// Whether ``next()`` will answer at once, without reading.
    var isReady: Bool {
        mutating get {
            let step = upcoming ?? step()
            if case .needsInput = step { return false }
            upcoming = step
            return true
        }
    }

    /// How many there are in all: judged, while the list is being read, by how much of it has been; nil as long as nobody can tell.
    var total: (count: Int, isExact: Bool)? {
        var rest = leftOfArguments
        if let expansion { rest += expansion.template.count - expansion.next }
        if case .element = upcoming { rest += 1 }
        guard let list else { return (given + rest, true) }
        if lines.isAtEnd, lines.isEmpty { return (given + rest, true) }
        guard let size = list.size, givenOfList > 0, lines.consumed > 0 else { return nil }
        let left = Double(max(0, size - lines.consumed)) * Double(givenOfList) / Double(lines.consumed)
        return (given + rest + Int(min(left.rounded(), 1e15)), false)
    }

    /// How many items an argument is.
    private static func count(_ argument: String, _ expandsRanges: Bool) -> Int {
        guard expandsRanges, argument.utf8.contains(UInt8(ascii: "{")) else { return 1 }
        return (try? URLTemplate(argument).count) ?? 1
    }

    private mutating func step() -> Step {
        while true {
            if expansion != nil {
                if let element = nextOfExpansion() { return .element(element) }
                expansion = nil
            }
            if let argument = arguments.popFirst() {
                argumentNumber += 1
                leftOfArguments -= Self.count(argument, expandsRanges)
                if let element = element(of: argument, at: InputPlace("argument-\(argumentNumber)", line: 0)) {
                    return .element(element)
                }
                continue
            }
            guard let list else { return .end }
            guard let line = lines.next() else { return lines.isAtEnd ? .end : .needsInput }
            lineNumber += 1
            switch line {
            case .nothing:
                number += 1
            case .text(let text):
                let place = InputPlace(list.name, line: lineNumber)
                if let element = element(of: text, at: place, isLine: true) { return .element(element) }
            case .notText:
                return .element(invalid(InputPlace(list.name, line: lineNumber), "the line is not UTF-8"))
            case .tooLong:
                let reason = "the line has more than \(LineSplitter.maximumLine) bytes"
                return .element(invalid(InputPlace(list.name, line: lineNumber), reason))
            }
        }
    }

    /// - Returns: nil if it became an ``expansion``.
    private mutating func element(of text: String, at place: InputPlace, isLine: Bool = false) -> Element? {
        if isLine, text.utf8.first == UInt8(ascii: "{") {
            number += 1
            switch json.parse(text) {
            case .success(let fields):
                return item(of: fields, place)
            case .failure(let error):
                return .invalid(number: number, place: place.description, reason: error.reason)
            }
        }
        if expandsRanges, Self.hasBrace(text) {
            do {
                expansion = Expansion(template: try URLTemplate(text), place: place)
                return nil
            } catch {
                return invalid(place, error.reason)
            }
        }
        number += 1
        return item(text, place)
    }

    private mutating func nextOfExpansion() -> Element? {
        guard let expansion, expansion.next < expansion.template.count else { return nil }
        self.expansion?.next += 1
        number += 1
        return item(expansion.template[expansion.next], expansion.place)
    }

    private mutating func invalid(_ place: InputPlace, _ reason: String) -> Element {
        number += 1
        return .invalid(number: number, place: place.description, reason: reason)
    }

    private func item(_ text: String, _ place: InputPlace) -> Element {
        do {
            return .item(FetchItem(number: number, place: place, uri: try Self.uri(text)))
        } catch {
            return .invalid(number: number, place: place.description, reason: error.reason)
        }
    }

    private func item(of fields: JSONLine.Fields, _ place: InputPlace) -> Element {
        do {
            let item = FetchItem(
                number: number,
                place: place,
                uri: try Self.uri(fields.url),
                method: fields.method,
                headers: fields.headers,
                body: fields.body,
                output: fields.output
            )
            return .item(item)
        } catch {
            return .invalid(number: number, place: place.description, reason: error.reason)
        }
    }

    private static func uri(_ text: String) throws(InvalidLine) -> URI {
        // What most are, whose scheme need not be looked at again.
        let isUsual = isUsual(text)
        // "localhost:8080" and "user:password@host" are URIs too, with a host or a user's name in the scheme's place.
        guard isUsual || hasAuthority(text) else { throw InvalidLine(noScheme) }
        let uri: URI
        do {
            uri = try URI(text)
        } catch {
            throw InvalidLine(error.code == .invalidScheme ? noScheme : error.message)
        }
        if isUsual { return uri }
        switch uri.scheme {
        case "http", "https": return uri
        case let scheme: throw InvalidLine("\(scheme.prefix(20)) is not supported: \(noScheme)")
        }
    }

    // Over the buffers, since a text's own views look at each step where it is stored: that was a tenth of a small URL's way. What
    // was read is always a buffer; anything else is looked at the slow way.

    private static func hasBrace(_ text: String) -> Bool {
        let found = text.utf8.withContiguousStorageIfAvailable { bytes in
            guard let base = bytes.baseAddress else { return false }
            return memchr(base, 0x7B, bytes.count) != nil || memchr(base, 0x7D, bytes.count) != nil
        }
        return found ?? text.utf8.contains { $0 == UInt8(ascii: "{") || $0 == UInt8(ascii: "}") }
    }

    /// Whether it begins as URLs do.
    private static func isUsual(_ text: String) -> Bool {
        let begins = text.utf8.withContiguousStorageIfAvailable { bytes in
            guard let base = bytes.baseAddress, bytes.count >= 8 else { return false }
            return memcmp(base, "http://", 7) == 0 || memcmp(base, "https://", 8) == 0
        }
        return begins ?? false
    }

    /// Whether the first colon is followed by two slashes.
    private static func hasAuthority(_ text: String) -> Bool {
        func has(_ bytes: some Collection<UInt8>) -> Bool {
            guard let colon = bytes.firstIndex(of: UInt8(ascii: ":")) else { return false }
            return bytes[colon...].dropFirst().prefix(2).elementsEqual("//".utf8)
        }
        return text.utf8.withContiguousStorageIfAvailable { has($0) } ?? has(text.utf8)
    }

    private static let noScheme = "a URL begins with http:// or https://"
}

/// Why a line is not fetched.
struct InvalidLine: Error, Equatable {
    /// A sentence without a full stop, which does not show what the line says but for the names of its keys.
    var reason: String

    init(_ reason: String) { self.reason = reason }
}
