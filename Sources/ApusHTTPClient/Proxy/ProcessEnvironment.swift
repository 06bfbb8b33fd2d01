import Glibc

/// The process's environment variables.
enum ProcessEnvironment {
    /// Nil if it is not set.
    static func value(of variable: String) -> String? { getenv(variable).map { String(cString: $0) } }
}
