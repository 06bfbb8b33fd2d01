/// The methods that change how a message is framed.
enum HTTP1KnownMethod {
    case head, connect
    /// POST, PUT, PATCH: a request without a body says so (RFC 9110 §8.6).
    case withContent
    case other

    /// Looks at the bytes of a method (a token) from an offset on.
    @inline(__always)
    init(_ bytes: UnsafeRawBufferPointer, from start: Int = 0) {
        self = .other
        guard let base = bytes.baseAddress else { return }
        let end = bytes.count
        switch end &- start {
        case 3: if HTTP1StartLine.isMethod(base, start, end, "put") { self = .withContent }
        case 4:
            if HTTP1StartLine.isMethod(base, start, end, "head") {
                self = .head
            } else if HTTP1StartLine.isMethod(base, start, end, "post") {
                self = .withContent
            }
        case 5: if HTTP1StartLine.isMethod(base, start, end, "patch") { self = .withContent }
        case 7: if HTTP1StartLine.isMethod(base, start, end, "connect") { self = .connect }
        default: break
        }
    }
}
