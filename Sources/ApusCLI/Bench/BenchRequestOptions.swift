import Apus
import ArgumentParser
import Glibc
import HTTPTypes

/// What `apus bench` sends.
struct BenchRequestOptions: ParsableArguments {
    @Option(
        name: [.customShort("X"), .long],
        help: ArgumentHelp("The method. (default: GET, or POST with --data)", valueName: "method")
    )
    var method: String?

    @Option(
        name: [.customShort("H"), .long],
        parsing: .unconditionalSingleValue,
        help: ArgumentHelp("A header, such as 'Accept: text/html'; as often as needed.", valueName: "line")
    )
    var header: [String] = []

    @Option(
        help: ArgumentHelp(
            "The body, as application/x-www-form-urlencoded unless a header says otherwise; @file is a file's.",
            valueName: "data"
        )
    )
    var data: String?

    func parsedMethod() throws -> HTTPRequest.Method {
        guard let method else { return data == nil ? .get : .post }
        guard let result = HTTPRequest.Method(method) else {
            throw ValidationError("--method \(method): that is no method.")
        }
        return result
    }

    func parsedHeaders() throws -> HTTPFields {
        var fields = HTTPFields()
        for line in header {
            guard let colon = line.firstIndex(of: ":"), let name = HTTPField.Name(String(line[..<colon])) else {
                // What is behind the colon may be secret.
                throw ValidationError("--header \(line.prefix { $0 != ":" }): Name: value is needed.")
            }
            let value = line[line.index(after: colon)...].drop { $0 == " " || $0 == "\t" }
            guard HTTPField.isValidValue(String(value)) else {
                throw ValidationError("--header \(name): its value has characters that cannot be sent.")
            }
            fields.append(HTTPField(name: name, value: String(value)))
        }
        return fields
    }

    func body() throws -> RequestBody? {
        guard let data else { return nil }
        let type = "application/x-www-form-urlencoded"
        guard data.hasPrefix("@") else { return .bytes(Array(data.utf8), contentType: type) }
        return .bytes(try Self.contents(of: String(data.dropFirst())), contentType: type)
    }

    /// All of it: it is sent again and again.
    private static func contents(of path: String) throws -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw ValidationError("--data @\(path): \(String(cString: strerror(errno)))") }
        defer { close(descriptor) }
        var result: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 64 * 1024)
        while true {
            let count = read(descriptor, &buffer, buffer.count)
            if count == 0 { return result }
            guard count > 0 else { throw ValidationError("--data @\(path): \(String(cString: strerror(errno)))") }
            result += buffer[..<count]
            guard result.count <= 64 * 1024 * 1024 else { throw ValidationError("--data @\(path): more than 64 MB.") }
        }
    }
}
