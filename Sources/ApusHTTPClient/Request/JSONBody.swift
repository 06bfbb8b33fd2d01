import HTTPTypes

#if canImport(FoundationEssentials)
internal import FoundationEssentials
#else
internal import Foundation
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
    /// - Parameters:
    ///   - type: what to decode.
    ///   - limit: the most bytes to collect; nil for the session's ``ClientSession/Configuration/bodyLimit``.
    /// - Throws: ``ClientError`` `.decodingFailed`, and as ``bytes(limit:)``.
    ///
    /// Cancel safety: as ``bytes(limit:)``.
    public func json<Value: Decodable>(_ type: Value.Type = Value.self, limit: Int? = nil) async throws -> Value {
        let bytes = try await bytes(limit: limit)
        do {
            return try JSONDecoder().decode(type, from: Data(bytes))
        } catch {
            throw ClientError(
                .decodingFailed,
                "The body (\(bytes.count) bytes, \(headers[.contentType] ?? "no Content-Type")) is not JSON for \(type): \(error)",
                cause: error,
                method: method,
                uri: uri
            )
        }
    }
}
