public import HTTPTypes

/// Where one field's name and value lie within the head.
struct HTTP1FieldSlice {
    var nameStart: UInt32
    var nameCount: UInt32
    var valueStart: UInt32
    var valueCount: UInt32
}

/// The memory of one received head: its bytes, and behind them one `HTTP1FieldSlice` per field.
///
/// Not an array: making one without initialising it first costs 500 instructions of metadata look-up on 6.3.
final class HTTP1HeadStorage: ManagedBuffer<Void, UInt8> {
    static func make(head: UnsafeRawBufferPointer, slices: UnsafeRawBufferPointer) -> HTTP1HeadStorage {
        let made = HTTP1HeadStorage.create(minimumCapacity: head.count &+ slices.count) { _ in () }
        made.withUnsafeMutablePointerToElements { elements in
            let target = UnsafeMutableRawPointer(elements)
            if let source = head.baseAddress { target.copyMemory(from: source, byteCount: head.count) }
            if let source = slices.baseAddress {
                (target + head.count).copyMemory(from: source, byteCount: slices.count)
            }
        }
        // `create` on a final subclass makes exactly that.
        return unsafeDowncast(made, to: HTTP1HeadStorage.self)
    }
}

/// The fields of a received head, as they came: one block of bytes, from which strings are made when asked for.
///
/// Names have been checked to be tokens (RFC 9110 §5.1) and values to be free of control characters (§5.5); only Set-Cookie of a response may
/// have some, and never CR, LF or NUL.
///
/// `@unchecked Sendable`: the memory is written once, before anyone else can hold it.
public struct HTTP1FieldBlock: @unchecked Sendable, CustomStringConvertible {
    let storage: HTTP1HeadStorage
    let headCount: Int
    /// The number of field lines.
    public let count: Int

    @inline(__always)
    init(head: UnsafeRawBufferPointer, slices: UnsafeRawBufferPointer, count: Int) {
        storage = HTTP1HeadStorage.make(head: head, slices: slices)
        headCount = head.count
        self.count = count
    }

    /// Calls `body` with the head's first byte; the table lies `headCount` bytes behind it.
    @inline(__always)
    func withBase<Result>(_ body: (UnsafeRawPointer) -> Result) -> Result {
        storage.withUnsafeMutablePointerToElements { body(UnsafeRawPointer($0)) }
    }

    @inline(__always)
    private static func slice(_ base: UnsafeRawPointer, _ headCount: Int, _ index: Int) -> HTTP1FieldSlice {
        let offset = headCount &+ index &* MemoryLayout<HTTP1FieldSlice>.stride
        return base.loadUnaligned(fromByteOffset: offset, as: HTTP1FieldSlice.self)
    }

    /// The index of the first field with this name at or behind `start`, or -1.
    private func index(_ base: UnsafeRawPointer, _ lowercaseName: StaticString, from start: Int) -> Int {
        var index = start
        while index < count {
            let slice = Self.slice(base, headCount, index)
            let name = (start: Int(slice.nameStart), count: Int(slice.nameCount))
            if HTTP1Grammar.matches(base, name.start, name.count, lowercaseName) { return index }
            index &+= 1
        }
        return -1
    }

    /// The value of the first field with this name, compared without regard to case.
    ///
    /// - Parameter lowercaseName: the name in lower case, such as `"content-type"`.
    public func first(_ lowercaseName: StaticString) -> String? {
        withBase { base -> String? in
            let index = index(base, lowercaseName, from: 0)
            return index < 0 ? nil : Self.value(base, Self.slice(base, headCount, index))
        }
    }

    /// The date that the first field with this name (given in lower case) has; nil if there is none, or one that is no date.
    package func timestamp(_ lowercaseName: StaticString) -> HTTPTimestamp? {
        withBase { base in
            let index = index(base, lowercaseName, from: 0)
            guard index >= 0 else { return nil }
            let slice = Self.slice(base, headCount, index)
            let start = base + Int(slice.valueStart)
            return HTTPTimestamp(UnsafeRawBufferPointer(start: start, count: Int(slice.valueCount)))
        }
    }

    /// Whether the Content-Type has no parameters, or only `charset=utf-8` in its usual form, or is not there: whoever wants the text
    /// of the body has nothing to parse then.
    package var hasPlainCharset: Bool {
        withBase { base in
            let index = index(base, "content-type", from: 0)
            guard index >= 0 else { return true }
            let slice = Self.slice(base, headCount, index)
            let start = Int(slice.valueStart)
            let end = start &+ Int(slice.valueCount)
            var at = start
            while at < end, base[at] != 0x3B { at &+= 1 }
            if at == end { return true }
            at = HTTP1Grammar.skipSpace(base, at &+ 1, end)
            return HTTP1Grammar.matches(base, at, end &- at, "charset=utf-8")
        }
    }

    /// Whether there is a field with this name, given in lower case.
    public func contains(_ lowercaseName: StaticString) -> Bool {
        withBase { index($0, lowercaseName, from: 0) >= 0 }
    }

    /// The values of all fields with this name (given in lower case), in order, such as those of `"set-cookie"`.
    public func values(_ lowercaseName: StaticString) -> [String] {
        withBase { base -> [String] in
            var values: [String] = []
            var index = index(base, lowercaseName, from: 0)
            while index >= 0 {
                values.append(Self.value(base, Self.slice(base, headCount, index)))
                index = self.index(base, lowercaseName, from: index &+ 1)
            }
            return values
        }
    }

    /// Calls `body` with the bytes of each field's name and value, in order. The bytes are valid during the call.
    public func forEach(_ body: (_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> Void) {
        withBase { base in
            for index in 0..<count {
                let slice = Self.slice(base, headCount, index)
                body(
                    UnsafeRawBufferPointer(start: base + Int(slice.nameStart), count: Int(slice.nameCount)),
                    UnsafeRawBufferPointer(start: base + Int(slice.valueStart), count: Int(slice.valueCount))
                )
            }
        }
    }

    /// All fields, in order, as the currency type. Values that are not UTF-8 are kept byte for byte.
    public var fields: HTTPFields {
        var fields = HTTPFields()
        fields.reserveCapacity(count)
        forEach { name, value in
            // A token is always a name; the test only spares a force-unwrap.
            guard let name = HTTPField.Name(String(decoding: name, as: UTF8.self)) else { return }
            fields.append(HTTPField(name: name, value: value))
        }
        return fields
    }

    // RFC 9110 §5.5: recipients should treat bytes outside of ASCII as opaque. As text they are UTF-8 where that is
    // valid, else ISO-8859-1, which the older specifications gave.
    private static func value(_ base: UnsafeRawPointer, _ slice: HTTP1FieldSlice) -> String {
        text(UnsafeRawBufferPointer(start: base + Int(slice.valueStart), count: Int(slice.valueCount)))
    }

    static func text(_ bytes: UnsafeRawBufferPointer) -> String {
        // Nearly always, and ready at once: for a short text `validating` takes 900 instructions, this 150.
        if HTTP1Grammar.isASCII(bytes) { return String(ascii: bytes) }
        if let text = String(validating: bytes, as: UTF8.self) { return text }
        var text = ""
        for byte in bytes { text.unicodeScalars.append(Unicode.Scalar(byte)) }
        return text
    }

    /// Calls `body` with the bytes of a part of the head, such as the request target.
    @inline(__always)
    func withPart<Result>(_ start: Int, _ count: Int, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        withBase { base in
            let isInside = start >= 0 && count >= 0 && start + count <= headCount
            return body(UnsafeRawBufferPointer(start: base + (isInside ? start : 0), count: isInside ? count : 0))
        }
    }

    func text(_ start: Int, _ count: Int) -> String {
        withPart(start, count) { Self.text($0) }
    }

    /// A part that the parser has found to be ASCII.
    func asciiText(_ start: Int, _ count: Int) -> String {
        withPart(start, count) { String(ascii: $0) }
    }

    /// The names only: values may be secret.
    public var description: String {
        var names: [String] = []
        forEach { name, _ in names.append(String(decoding: name, as: UTF8.self)) }
        return "HTTP1FieldBlock(\(names.joined(separator: ", ")))"
    }
}
