import ApusHTTPClient
import ApusTesting

/// A complete response with a coded body.
func coded(_ coding: String, _ bytes: [UInt8], head: String = "HTTP/1.1 200 OK") -> [UInt8] {
    Array("\(head)\r\nContent-Encoding: \(coding)\r\nContent-Length: \(bytes.count)\r\n\r\n".utf8) + bytes
}

/// The same, in chunks of `size` bytes.
func codedInChunks(_ coding: String, _ bytes: [UInt8], size: Int) -> [UInt8] {
    var result = Array("HTTP/1.1 200 OK\r\nContent-Encoding: \(coding)\r\nTransfer-Encoding: chunked\r\n\r\n".utf8)
    for start in stride(from: 0, to: bytes.count, by: size) {
        let piece = bytes[start..<min(start + size, bytes.count)]
        result += Array("\(String(piece.count, radix: 16))\r\n".utf8) + piece + Array("\r\n".utf8)
    }
    return result + Array("0\r\n\r\n".utf8)
}

/// Reads a body as far as it goes: its good bytes, and the error behind them.
func goodBytes(_ response: ClientResponse) async -> (bytes: [UInt8], pieces: Int, error: ClientError?) {
    var bytes: [UInt8] = []
    var pieces = 0
    do {
        for try await piece in response.body {
            bytes += piece
            pieces += 1
        }
        return (bytes, pieces, nil)
    } catch {
        return (bytes, pieces, error as? ClientError)
    }
}
