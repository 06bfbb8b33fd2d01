/// A byte queue in one piece of raw memory: written at the tail, read at the head.
///
/// The connection has one for each direction. Memory is taken at the first use and given back by `release()`; or it is lent, by whoever
/// has many connections of which few hold anything.
struct HTTP1Buffer: ~Copyable {
    private(set) var base: UnsafeMutableRawPointer?
    private(set) var capacity = 0
    /// The offset of the first byte not yet consumed.
    private(set) var head = 0
    /// The offset behind the last byte.
    private(set) var tail = 0

    /// Whether the memory is somebody else's.
    private(set) var isLent = false

    private let initialCapacity: Int

    init(initialCapacity: Int) {
        self.initialCapacity = initialCapacity
    }

    deinit {
        if !isLent { base?.deallocate() }
    }

    var count: Int {
        @inline(__always) get { tail &- head }
    }

    var bytes: UnsafeRawBufferPointer {
        @inline(__always) get {
            guard let base, tail > head else { return UnsafeRawBufferPointer(start: nil, count: 0) }
            return UnsafeRawBufferPointer(start: base + head, count: tail &- head)
        }
    }

    /// The memory behind the tail, at least `minimum` bytes; moves or grows what is stored if it must.
    @inline(__always)
    mutating func space(_ minimum: Int) -> UnsafeMutableRawBufferPointer {
        if head == tail {
            head = 0
            tail = 0
        }
        if capacity &- tail < minimum || base == nil { makeRoom(max(minimum, 1)) }
        // `makeRoom` has set it; the default only spares a force-unwrap.
        return UnsafeMutableRawBufferPointer(start: base.map { $0 + tail }, count: capacity &- tail)
    }

    @inline(never)
    private mutating func makeRoom(_ minimum: Int) {
        let stored = count
        if let base, capacity &- stored >= minimum, head > 0 {
            base.copyMemory(from: base + head, byteCount: stored)
        } else {
            var wanted = max(capacity, initialCapacity)
            while wanted &- stored < minimum {
                let (doubled, overflow) = wanted.multipliedReportingOverflow(by: 2)
                wanted = overflow ? stored + minimum : doubled
            }
            let grown = UnsafeMutableRawPointer.allocate(byteCount: wanted, alignment: 16)
            if let base {
                grown.copyMemory(from: base + head, byteCount: stored)
                if !isLent { base.deallocate() }
            }
            base = grown
            capacity = wanted
            isLent = false
        }
        head = 0
        tail = stored
    }

    /// Counts bytes that were written behind the tail.
    @inline(__always)
    mutating func commit(_ count: Int) {
        precondition(count >= 0 && count <= capacity &- tail, "more bytes committed than there was room for")
        tail &+= count
    }

    @inline(__always)
    mutating func consume(_ count: Int) {
        precondition(count >= 0 && count <= tail &- head, "more bytes consumed than are stored")
        head &+= count
    }

    /// Takes back what was written since the tail stood at `mark` bytes behind the head.
    mutating func truncate(toCount mark: Int) {
        if mark < count { tail = head &+ mark }
    }

    @inline(__always)
    mutating func append(_ bytes: UnsafeRawBufferPointer) {
        guard let source = bytes.baseAddress, bytes.count > 0 else { return }
        space(bytes.count).baseAddress?.copyMemory(from: source, byteCount: bytes.count)
        tail &+= bytes.count
    }

    @inline(__always)
    mutating func append(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { append($0) }
    }

    @inline(__always)
    mutating func append(_ text: StaticString) {
        append(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    @inline(__always)
    mutating func appendLineEnd() {
        guard let room = space(2).baseAddress else { return }
        room.storeBytes(of: 0x0D, as: UInt8.self)
        room.storeBytes(of: 0x0A, toByteOffset: 1, as: UInt8.self)
        tail &+= 2
    }

    // RFC 9112 §3: request-line = method SP request-target SP HTTP-version. Room is made once for it and the lines
    // behind it.
    @inline(__always)
    mutating func appendRequest(method: String, target: UnsafeRawBufferPointer, prepared: [UInt8]) {
        let version: StaticString = " HTTP/1.1\r\n"
        var method = method
        method.withUTF8 { bytes in
            let total = bytes.count &+ 1 &+ target.count &+ version.utf8CodeUnitCount &+ prepared.count
            guard var room = space(total).baseAddress else { return }
            if let source = bytes.baseAddress { room.copyMemory(from: source, byteCount: bytes.count) }
            room += bytes.count
            room.storeBytes(of: 0x20, as: UInt8.self)
            room += 1
            if let first = target.baseAddress { room.copyMemory(from: first, byteCount: target.count) }
            room += target.count
            room.copyMemory(from: version.utf8Start, byteCount: version.utf8CodeUnitCount)
            room += version.utf8CodeUnitCount
            prepared.withUnsafeBytes { source in
                if let first = source.baseAddress { room.copyMemory(from: first, byteCount: source.count) }
            }
            tail &+= total
        }
    }

    // RFC 9112 §4: status-line = HTTP-version SP status-code SP [ reason-phrase ]. Room is made once for all of it.
    @inline(__always)
    mutating func appendOK(prepared: [UInt8], body: UnsafeRawBufferPointer) {
        let status: StaticString = "HTTP/1.1 200 OK\r\n"
        let length: StaticString = "Content-Length: "
        // A number has at most 19 digits.
        let most = status.utf8CodeUnitCount &+ prepared.count &+ length.utf8CodeUnitCount &+ 23 &+ body.count
        guard let start = space(most).baseAddress else { return }
        var room = start
        room.copyMemory(from: status.utf8Start, byteCount: status.utf8CodeUnitCount)
        room += status.utf8CodeUnitCount
        prepared.withUnsafeBytes { source in
            if let first = source.baseAddress { room.copyMemory(from: first, byteCount: source.count) }
        }
        room += prepared.count
        room.copyMemory(from: length.utf8Start, byteCount: length.utf8CodeUnitCount)
        room += length.utf8CodeUnitCount
        room += Self.store(decimal: body.count, at: room)
        // CR LF CR LF
        room.storeBytes(of: UInt32(littleEndian: 0x0A0D_0A0D), as: UInt32.self)
        room += 4
        if let first = body.baseAddress { room.copyMemory(from: first, byteCount: body.count) }
        room += body.count
        tail &+= room - start
    }

    mutating func append(_ text: String) {
        var text = text
        text.withUTF8 { append(UnsafeRawBufferPointer($0)) }
    }

    mutating func append(decimal value: Int) {
        // At most 19 digits: Int.max.
        guard let room = space(20).baseAddress else { return }
        tail &+= Self.store(decimal: value, at: room)
    }

    /// Writes the digits of a number that is not negative, and returns how many there are.
    @inline(__always)
    private static func store(decimal value: Int, at room: UnsafeMutableRawPointer) -> Int {
        var rest = UInt(bitPattern: value)
        var digits = 1
        var bound: UInt = 10
        while digits < 19, rest >= bound {
            bound &*= 10
            digits &+= 1
        }
        var index = digits
        while index > 0 {
            index &-= 1
            room.storeBytes(of: 0x30 &+ UInt8(truncatingIfNeeded: rest % 10), toByteOffset: index, as: UInt8.self)
            rest /= 10
        }
        return digits
    }

    mutating func append(hex value: Int) {
        let digits = max(1, (Int.bitWidth &- value.leadingZeroBitCount &+ 3) / 4)
        let room = space(16)
        for index in 0..<digits {
            let digit = UInt8(truncatingIfNeeded: value &>> ((digits &- 1 &- index) &* 4)) & 0xF
            room[index] = digit < 10 ? 0x30 &+ digit : 0x57 &+ digit
        }
        tail &+= digits
    }

    /// Gives the memory back if nothing is stored.
    mutating func release() {
        guard head == tail else { return }
        if !isLent { base?.deallocate() }
        isLent = false
        base = nil
        capacity = 0
        head = 0
        tail = 0
    }

    /// Uses `memory` from now on, which is not its own, until ``giveBack()`` or ``release()``; not if something is stored.
    @inline(__always)
    mutating func borrow(_ memory: UnsafeMutableRawBufferPointer) -> Bool {
        guard head == tail else { return false }
        if !isLent { base?.deallocate() }
        isLent = true
        base = memory.baseAddress
        capacity = memory.count
        head = 0
        tail = 0
        return true
    }

    /// Ends the use of memory that was lent: what is stored moves to memory of its own.
    mutating func giveBack() {
        guard isLent else { return }
        let stored = count
        guard stored > 0, let base else { return release() }
        let own = UnsafeMutableRawPointer.allocate(byteCount: stored, alignment: 16)
        own.copyMemory(from: base + head, byteCount: stored)
        isLent = false
        self.base = own
        capacity = stored
        head = 0
        tail = stored
    }
}
