import ApusRuntime
import Glibc
import Testing

/// What a scene of `apus-hop-check` printed, standard error included, and how it ended.
struct SceneResult: Sendable {
    var output: String
    /// The exit status, or 128 and the signal's number.
    var status: Int32
}

/// Plays a scene in a process of its own: see `Tests/HopCheck/Scenes.swift`.
///
/// - Parameter command: what the shell is to do with the program and its argument. The default only joins its two outputs; `exec` keeps the status.
func play(
    _ scene: String,
    as command: (_ program: String) -> String = { "exec \($0) 2>&1" }
) async throws -> SceneResult {
    let program = try #require(hopCheckPath(), "apus-hop-check is not built: `swift build --build-tests` builds it")
    let line = command("'\(program)' \(scene)")
    return try await offload {
        guard let pipe = popen(line, "r") else { throw Oops(number: Int(errno)) }
        var output: [UInt8] = []
        withUnsafeTemporaryAllocation(byteCount: 4096, alignment: 1) { buffer in
            while true {
                let count = fread(buffer.baseAddress, 1, buffer.count, pipe)
                if count == 0 { break }
                output += buffer.prefix(count)
            }
        }
        let status = pclose(pipe)
        let ended = status & 0x7F == 0
        return SceneResult(
            output: String(decoding: output, as: UTF8.self),
            status: ended ? status >> 8 & 0xFF : 128 + status & 0x7F
        )
    }
}

/// Next to the bundle of these tests.
private func hopCheckPath() -> String? {
    let executable = withUnsafeTemporaryAllocation(of: CChar.self, capacity: 4096) { buffer -> String? in
        guard let start = buffer.baseAddress else { return nil }
        let count = readlink("/proc/self/exe", start, 4095)
        guard count > 0 else { return nil }
        start[count] = 0
        return String(cString: start)
    }
    guard let executable, let slash = executable.lastIndex(of: "/") else { return nil }
    let path = executable[..<slash] + "/apus-hop-check"
    return access(String(path), X_OK) == 0 ? String(path) : nil
}
