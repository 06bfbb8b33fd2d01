import Glibc

/// A body could not be stored.
struct StorageError: Error, Equatable, CustomStringConvertible {
    var description: String
    /// What the system said; nil if the name was refused before it was asked.
    var errno: Int32?

    init(_ action: String, _ errno: Int32) {
        description = "\(action): \(String(cString: strerror(errno)))"
        self.errno = errno
    }

    private init(description: String) { self.description = description }

    static func refused(_ reason: String) -> StorageError { StorageError(description: reason) }

    /// Nothing more can be stored at present.
    var isFull: Bool { errno == ENOSPC || errno == EDQUOT }
}
