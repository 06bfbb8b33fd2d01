import Glibc

/// The state file cannot be used.
struct StateError: Error, CustomStringConvertible {
    enum Code: Sendable, Equatable {
        /// Another run has it.
        case inUse
        /// It holds finished work, and `--resume` was not given.
        case hasWork
        /// It belongs to another input, or to other options.
        case otherRun
        /// It is no state file, or damaged.
        case notAState
        /// The system refused.
        case system
    }

    var code: Code
    var description: String

    init(_ code: Code, _ description: String) {
        self.code = code
        self.description = description
    }

    init(_ action: String, errno: Int32) {
        self.init(.system, "\(action): \(String(cString: strerror(errno)))")
    }
}
