import HTTPTypes

/// Boundary lines and header fields.
extension MultipartParser {
    // RFC 2046 §5.1.1: dash-boundary transport-padding CRLF, or close-delimiter := delimiter "--".
    /// What follows a boundary. Goes on to the header fields or the end; false if more bytes are needed.
    mutating func takeBoundaryTail() throws(MultipartError) -> Bool {
        guard start < buffer.count else { return false }
        if buffer[start] == 0x2D {
            guard start + 1 < buffer.count else { return false }
            guard buffer[start + 1] == 0x2D else { throw malformedBoundary }
            // The rest of the line, and the epilogue, are ignored.
            state = .finished
            return true
        }
        var index = start
        while index < buffer.count, buffer[index] == 0x20 || buffer[index] == 0x09 { index += 1 }
        guard index - start <= MultipartLimits.padding else { throw malformedBoundary }
        guard index < buffer.count else { return false }
        if buffer[index] == 0x0A { throw bareLF("the boundary line", partCount + 1) }
        guard buffer[index] == 0x0D else { throw malformedBoundary }
        guard index + 1 < buffer.count else { return false }
        guard buffer[index + 1] == 0x0A else { throw malformedBoundary }
        start = index + 2
        scanned = 0
        state = .headers
        return true
    }

    private var malformedBoundary: MultipartError {
        MultipartError(
            .malformedBoundary,
            "something other than \"--\" or a line end follows boundary \(partCount + 1) (RFC 2046 §5.1.1)"
        )
    }

    private func bareLF(_ place: String, _ part: Int) -> MultipartError {
        MultipartError(
            .malformedLineEnding,
            "\(place) of part \(part) ends in LF without CR; lines of multipart bodies end in CRLF (RFC 2046 §5.1.1)"
        )
    }

    // RFC 2046 §5.1: header fields, each on a line, then an empty line.
    /// The header fields of a part; nil if more bytes are needed. `start` is then behind the empty line.
    mutating func takeHeaders() throws(MultipartError) -> HTTPFields? {
        // Each byte is looked at once, however they arrive.
        var index = start + scanned
        while index < buffer.count {
            let byte = buffer[index]
            guard index - start < limits.headerBytes else { throw tooLarge }
            if byte == 0x0A {
                guard index > start, buffer[index - 1] == 0x0D else { throw bareLF("a header line", partCount) }
                let isEmpty = index - start == 1 || index - start >= 3 && buffer[index - 2] == 0x0A
                if isEmpty {
                    let block = buffer[start..<index - 1]
                    let fields = try parse(block)
                    start = index + 1
                    scanned = 0
                    return fields
                }
            } else if index > start, buffer[index - 1] == 0x0D {
                throw MultipartError(
                    .malformedLineEnding,
                    "a CR without LF among the header fields of part \(partCount)"
                )
            }
            index += 1
        }
        scanned = index - start
        return nil
    }

    private var tooLarge: MultipartError {
        MultipartError(
            .headersTooLarge,
            "the header fields of part \(partCount) have more than \(limits.headerBytes) bytes (MultipartLimits.headerBytes)"
        )
    }

    /// The fields of a block of lines, each with its CRLF.
    private func parse(_ block: ArraySlice<UInt8>) throws(MultipartError) -> HTTPFields {
        var fields = HTTPFields()
        var count = 0
        var line: [UInt8] = []
        var index = block.startIndex
        while index < block.endIndex {
            let stop = block[index...].firstIndex(of: 0x0D) ?? block.endIndex
            let content = block[index..<stop]
            index = min(stop + 2, block.endIndex)
            if let first = content.first, first == 0x20 || first == 0x09 {
                // RFC 5322 §2.2.3: a line that begins with a space continues the field; the line end goes.
                guard !line.isEmpty else { throw malformed("the first header line begins with a space") }
                line += content
                continue
            }
            if !line.isEmpty { try append(line, to: &fields, &count) }
            line = Array(content)
        }
        if !line.isEmpty { try append(line, to: &fields, &count) }
        return fields
    }

    // RFC 5322 §2.2: field name, colon, value. The name is an HTTP token, which all that occur are.
    private func append(_ line: [UInt8], to fields: inout HTTPFields, _ count: inout Int) throws(MultipartError) {
        count += 1
        guard count <= limits.fieldCount else {
            throw MultipartError(
                .tooManyFields,
                "part \(partCount) has more than \(limits.fieldCount) header fields (MultipartLimits.fieldCount)"
            )
        }
        guard let colon = line.firstIndex(of: 0x3A) else { throw malformed("a header line has no colon") }
        guard let name = HTTPField.Name(String(decoding: line[..<colon], as: UTF8.self)) else {
            throw malformed("a header field's name is empty or has a character that names do not have")
        }
        var value = line[(colon + 1)...]
        while let first = value.first, first == 0x20 || first == 0x09 { value = value.dropFirst() }
        while let last = value.last, last == 0x20 || last == 0x09 { value = value.dropLast() }
        guard !value.contains(where: { $0 < 0x20 && $0 != 0x09 || $0 == 0x7F }) else {
            throw malformed("the value of a header field has a control character")
        }
        fields.append(HTTPField(name: name, value: value))
    }

    private func malformed(_ what: String) -> MultipartError {
        MultipartError(.malformedField, "\(what) (part \(partCount))")
    }
}
