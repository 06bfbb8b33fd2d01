import Foundation

/// Runs `body` with the path of a new, empty folder under the project's `.build/tmp`, which is gone afterwards.
///
/// Not for Unix sockets: their paths end after 107 bytes.
func withScratchFolder<Success>(_ body: (_ path: String) async throws -> Success) async throws -> Success {
    let folder = try makeScratchFolder()
    defer { try? FileManager.default.removeItem(at: folder) }
    return try await body(folder.path(percentEncoded: false))
}

/// The same for code that does not wait.
func withScratchFolder<Success>(_ body: (_ path: String) throws -> Success) throws -> Success {
    let folder = try makeScratchFolder()
    defer { try? FileManager.default.removeItem(at: folder) }
    return try body(folder.path(percentEncoded: false))
}

/// The same, for whoever removes it himself.
func makeScratchFolder() throws -> URL {
    // This file is seen as Tests/TARGET/ScratchFolder.swift.
    let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()
    let folder = root.appending(path: ".build/tmp/\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    return folder
}
