import ApusWire
import HTTPTypes

#if canImport(FoundationEssentials)
public import FoundationEssentials
#else
public import Foundation
#endif

extension RequestBody {
    /// A value as JSON.
    ///
    /// - Throws: ``ClientError`` `.invalidRequest` with the encoder's error as its cause.
    public static func json(_ value: some Encodable) throws -> RequestBody {
        do {
            return RequestBody.bytes(Array(try JSONEncoder().encode(value)), contentType: "application/json")
        } catch {
            throw ClientError(.invalidRequest, "The body cannot be encoded as JSON: \(error)", cause: error)
        }
    }
}

/// JSON for the layers that do not import Foundation.
package enum JSONCoding {
    package static func encode(_ value: some Encodable) throws -> [UInt8] { Array(try JSONEncoder().encode(value)) }

    package static func decode<Value: Decodable>(_ type: Value.Type, from bytes: [UInt8]) throws -> Value {
        try JSONDecoder().decode(type, from: Data(bytes))
    }
}

extension ClientResponse {
    /// Collects the body and decodes it as JSON.
    ///
    /// The Content-Type is not asked; an error tells it. JSON is UTF-8 (RFC 8259 §8.1); a byte order mark, UTF-16 and a `charset` of the
    /// head are understood as well.
    ///
    /// - Parameters:
    ///   - type: what to decode.
    ///   - decoder: with which strategies; nil for `JSONDecoder()`.
    ///   - limit: the most bytes to collect; nil for the session's ``ClientSession/Configuration/bodyLimit``.
    /// - Throws: ``ClientError`` `.decodingFailed`, and as ``bytes(limit:)``.
    ///
    /// Cancel safety: as ``bytes(limit:)``.
    public func json<Value: Decodable>(
        _ type: Value.Type = Value.self,
        decoder: JSONDecoder? = nil,
        limit: Int? = nil
    ) async throws -> Value {
        let bytes = try await bytes(limit: limit)
        let plain = hasPlainUTF8 ? nil : charset
        return try storage.exchange.json(type, bytes, charset: plain, decoder, contentType: { contentType })
    }
}

extension ResponsePart {
    /// Collects the content and decodes it as JSON: see ``ClientResponse/json(_:decoder:limit:)``.
    public func json<Value: Decodable>(
        _ type: Value.Type = Value.self,
        decoder: JSONDecoder? = nil,
        limit: Int? = nil
    ) async throws -> Value {
        let bytes = try await bytes(limit: limit)
        return try exchange.json(type, bytes, charset: contentType?.charset, decoder, contentType: { contentType })
    }
}

extension Exchange {
    fileprivate func json<Value: Decodable>(
        _ type: Value.Type,
        _ bytes: [UInt8],
        charset: String?,
        _ decoder: JSONDecoder?,
        contentType: () -> MediaType?
    ) throws -> Value {
        func failure(_ what: String, _ cause: (any Error)?) -> ClientError {
            let stated = contentType()
            let hint = stated.map { $0.isJSON ? "" : " The server calls it \($0.essence): is it an error page?" }
            return error(.decodingFailed, "\(what)\(hint ?? " The server does not say what it is.")", cause: cause)
        }
        guard !bytes.isEmpty else { throw failure("The body is empty, which is no JSON.", nil) }
        let utf8 =
            try Self.isUTF8(bytes, charset)
            ? nil : text(of: bytes, converter(charset ?? Self.wide(bytes), isAsked: false), true)
        do {
            return try (decoder ?? JSONDecoder()).decode(type, from: utf8.map { Data($0.utf8) } ?? Data(bytes))
        } catch {
            throw failure("The body (\(bytes.count) bytes) is not JSON for \(type): \(error).", error)
        }
    }

    /// Whether there is nothing to convert: no mark, no other charset, and no zero byte beside the first character, which is ASCII
    /// in any JSON.
    private static func isUTF8(_ bytes: [UInt8], _ charset: String?) -> Bool {
        charset == nil && wide(bytes) == nil && TextEncoding.byteOrderMark(bytes.prefix(3)) == nil
    }

    private static func wide(_ bytes: [UInt8]) -> String? {
        guard bytes.count > 1 else { return nil }
        return bytes[0] == 0 ? "utf-16be" : bytes[1] == 0 ? "utf-16le" : nil
    }
}
