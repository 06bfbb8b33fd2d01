import Apus
import FoundationEssentials
import HTTPTypes

/// A line of JSON: `{"url":…,"method":…,"headers":…,"body":…,"output":…}`, of which only the URL is needed.
///
/// A header's value is a string, or an array of strings for a field that is sent several times.
struct JSONLine {
    struct Fields: Equatable {
        var url: String
        var method: HTTPRequest.Method?
        var headers: HTTPFields?
        var body: [UInt8]?
        var output: String?
    }

    private let decoder = JSONDecoder()

    func parse(_ text: String) -> Result<Fields, InvalidLine> {
        do {
            let decoded = try decoder.decode(Decoded.self, from: Data(text.utf8))
            // The decoder takes one of them, and who wrote the line may have meant the other.
            guard Self.memberCount(text) == decoded.memberCount else {
                throw InvalidLine("a key stands there more than once")
            }
            return .success(decoded.fields)
        } catch let error as InvalidLine {
            return .failure(error)
        } catch {
            // What the decoder says may show the text.
            return .failure(InvalidLine("the line begins with { but is no JSON object"))
        }
    }

    /// How many keys the objects of a valid text have: each has a colon behind it.
    private static func memberCount(_ text: String) -> Int {
        var (count, isInString, isEscaped) = (0, false, false)
        for byte in text.utf8 {
            if isEscaped {
                isEscaped = false
            } else if byte == UInt8(ascii: "\"") {
                isInString.toggle()
            } else if isInString {
                isEscaped = byte == UInt8(ascii: "\\")
            } else if byte == UInt8(ascii: ":") {
                count += 1
            }
        }
        return count
    }

    private struct Key: CodingKey {
        var stringValue: String
        var intValue: Int? { nil }

        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    private struct Decoded: Decodable {
        var fields: Fields
        /// Keys of the object, and of its headers.
        var memberCount: Int

        private static let known: Set<String> = ["url", "method", "headers", "body", "output"]

        init(from decoder: any Decoder) throws {
            let container = try decoder.container(keyedBy: Key.self)
            // Sorted, as a dictionary has no order of its own, and the same line should give the same message.
            let unknown = container.allKeys.map(\.stringValue).filter { !Self.known.contains($0) }.sorted()
            if let key = unknown.first {
                throw InvalidLine(
                    "the key “\(key.prefix(60))” is unknown: there are url, method, headers, body and output"
                )
            }
            guard let url = try Self.string("url", container) else { throw InvalidLine("the key “url” is missing") }
            memberCount = container.allKeys.count
            let headers = try? container.nestedContainer(keyedBy: Key.self, forKey: Key(stringValue: "headers"))
            memberCount += headers?.allKeys.count ?? 0
            fields = Fields(url: url)
            fields.method = try Self.string("method", container).map(Self.method)
            fields.headers = try Self.headers(container)
            fields.body = try Self.string("body", container).map { Array($0.utf8) }
            fields.output = try Self.string("output", container)
        }

        private static func string(_ name: String, _ container: KeyedDecodingContainer<Key>) throws -> String? {
            do {
                return try container.decodeIfPresent(String.self, forKey: Key(stringValue: name))
            } catch {
                throw InvalidLine("“\(name)” is no string")
            }
        }

        private static func method(_ text: String) throws -> HTTPRequest.Method {
            guard let method = HTTPRequest.Method(text) else { throw InvalidLine("“method” is no method of HTTP") }
            guard method != .connect else { throw InvalidLine("the method CONNECT is for proxies") }
            return method
        }

        private static func headers(_ container: KeyedDecodingContainer<Key>) throws -> HTTPFields? {
            let key = Key(stringValue: "headers")
            guard container.contains(key), (try? container.decodeNil(forKey: key)) != true else { return nil }
            guard let nested = try? container.nestedContainer(keyedBy: Key.self, forKey: key) else {
                throw InvalidLine("“headers” is no object of names and values")
            }
            var fields = HTTPFields()
            for key in nested.allKeys.sorted(by: { $0.stringValue < $1.stringValue }) {
                guard let name = HTTPField.Name(key.stringValue) else {
                    throw InvalidLine("“\(key.stringValue.prefix(60))” is no name of a header")
                }
                let values: [String]
                if let value = try? nested.decode(String.self, forKey: key) {
                    values = [value]
                } else if let several = try? nested.decode([String].self, forKey: key) {
                    values = several
                } else {
                    throw InvalidLine("the header \(name) is no string and no array of strings")
                }
                for value in values {
                    // A line's end would begin a header of its own.
                    guard HTTPField.isValidValue(value) else {
                        throw InvalidLine("the header \(name) has a character that headers cannot have")
                    }
                    fields.append(HTTPField(name: name, value: value))
                }
            }
            return fields
        }
    }
}
