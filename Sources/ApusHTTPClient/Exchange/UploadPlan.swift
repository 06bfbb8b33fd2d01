import ApusNet
import ApusRuntime
import ApusWire
import HTTPTypes

/// How the body of a request is sent that is more than a small piece of memory; kept over redirects and resends. Loop thread only.
final class UploadPlan {
    let content: RequestBody.Content
    let options: RequestOptions?
    /// Whether the server is asked first: no longer, once one has answered that it does not know the question.
    var expectsContinue: Bool
    /// How the body is compressed; nil if it is not.
    private(set) var coding: ContentCoding?
    /// A small body, compressed: its length is known.
    private(set) var coded: [UInt8]?
    /// The opened file, after ``prepare(_:)``.
    private(set) var file: SourceFile?
    /// The parts with their files opened, after ``prepare(_:)``.
    private(set) var multipart: MultipartUpload?
    /// Whether a part of the body has been made.
    private(set) var hasBegun = false
    /// The body on its way.
    private weak var upload: Upload?

    init(_ content: RequestBody.Content, _ options: RequestOptions?) {
        self.content = content
        self.options = options
        expectsContinue = options?.expectContinue != nil
        coding = options?.compression?.coding
    }

    /// Whether the body can be sent (again).
    var canBegin: Bool {
        guard hasBegun else { return true }
        return switch content {
        case .bytes, .file: true
        case .written(let body): body.isRestartable
        case .multipart: multipart?.isRestartable ?? true
        }
    }

    /// Bytes of the body before it is compressed, where that is known.
    var length: Int? {
        switch content {
        case .bytes(let bytes): bytes.count
        case .file: file.map { $0.range.count }
        case .written(let body): body.length
        case .multipart: multipart?.plan.length
        }
    }

    var framing: HTTP1BodyLength {
        if let coded { return .length(coded.count) }
        return coding == nil ? length.map { .length($0) } ?? .chunked : .chunked
    }

    /// Compresses the body from its beginning; nil if it is sent as it is, or compressed already.
    func makeEncoding() -> ContentEncoding? { coded == nil ? coding.flatMap { ContentEncoding($0) } : nil }

    /// Opens what has to be opened, once.
    func prepare(_ exchange: Exchange) async throws {
        try await open(exchange)
        guard let coding else { return }
        guard exchange.ownFields[.contentEncoding] == nil,
            exchange.core.configuration.headers[.contentEncoding] == nil
        else {
            throw exchange.error(
                .invalidRequest,
                "The body is to be compressed with \(coding), but a Content-Encoding is stated: leave out one of the two."
            )
        }
        guard coding.canEncode else {
            let library = coding == .zstd ? "libzstd.so.1" : "libbrotlienc.so.1"
            throw exchange.error(
                .invalidRequest,
                "The body cannot be compressed with \(coding): this system has no \(library). Look at `isAvailable`, or use gzip."
            )
        }
        if length == 0 {
            // Nothing, in a coding, is more than nothing.
            self.coding = nil
        } else if case .bytes(let bytes) = content, bytes.count <= Exchange.smallBodySize {
            coded = try makeEncoding()?.encode(bytes)
        }
    }

    private func open(_ exchange: Exchange) async throws {
        switch content {
        case .bytes: return
        case .multipart(let parts):
            guard multipart == nil else { return }
            do {
                multipart = try await MultipartUpload(parts)
            } catch let error as NetError {
                throw exchange.error(.bodyFailed, "A part of the request's body cannot be read: \(error)", cause: error)
            } catch let error as MultipartError {
                throw exchange.error(.invalidRequest, "The request's body cannot be sent: \(error)", cause: error)
            }
        case .written(let body):
            guard let length = body.length, length < 0 else { return }
            throw exchange.error(.invalidRequest, "The request's body cannot have \(length) bytes.")
        case .file(let path, let range):
            guard file == nil else { return }
            do {
                file = try await SourceFile(path: path, range: range)
            } catch let error as NetError {
                throw exchange.error(.bodyFailed, "The request's body cannot be read: \(error)", cause: error)
            }
        }
    }

    func begin(_ upload: Upload) {
        hasBegun = true
        self.upload = upload
    }

    /// Ends the body that is still on its way: its server has answered that the request belongs elsewhere.
    func endUpload() {
        upload?.abandon()
        upload = nil
    }
}
