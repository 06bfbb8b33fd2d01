import ApusRuntime
import Glibc

/// Counts what a test could leave behind in the process.
///
/// ```swift
/// let before = openDescriptors()
/// … the test …
/// #expect(openDescriptors() == before)
/// ```
///
/// - Returns: the numbers of the descriptors that are open, without the one that looks.
public func openDescriptors() -> Set<Int32> {
    guard let directory = opendir("/proc/self/fd") else { return [] }
    defer { closedir(directory) }
    let own = dirfd(directory)
    var result: Set<Int32> = []
    while let entry = readdir(directory) {
        let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
            String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
        if let number = Int32(name), number != own { result.insert(number) }
    }
    return result
}
