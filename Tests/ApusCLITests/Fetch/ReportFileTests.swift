import Glibc
import Testing

@testable import ApusCLI

@Suite struct ReportFileTests {
    private typealias MemoryFile = @convention(c) (UnsafePointer<CChar>, UInt32) -> Int32

    /// memfd_create(2), which the module Glibc does not have, and a seal: a file that may grow, and that nobody can make shorter.
    private static func fileThatCannotBeCut() throws -> Int32 {
        let make = unsafeBitCast(try #require(dlsym(nil, "memfd_create")), to: MemoryFile.self)
        let (closesOnExec, allowsSeals): (UInt32, UInt32) = (1, 2)
        let descriptor = make("report", closesOnExec | allowsSeals)
        try #require(descriptor >= 0)
        let (addSeals, againstShrinking): (Int32, Int32) = (1_033, 2)
        try #require(fcntl(descriptor, addSeals, againstShrinking) == 0)
        return descriptor
    }

    @Test func whatCannotBeCutOffStaysALineOfItsOwn() throws {
        let descriptor = try Self.fileThatCannotBeCut()
        defer { close(descriptor) }
        let path = "/proc/self/fd/\(descriptor)"
        let broken = "{\"n\":1}\n{\"n\":2,\"pl"
        try Output.writeAll(Array(broken.utf8), to: descriptor)
        let report = try ReportFile(path, continues: true)
        #expect(readText(path) == broken)
        try report.write(Array("{\"n\":3}\n".utf8))
        try report.write(Array("{\"n\":4}\n".utf8))
        #expect(readText(path) == broken + "\n{\"n\":3}\n{\"n\":4}\n")
    }

    @Test func whatCannotBeEmptiedIsNoReport() throws {
        let descriptor = try Self.fileThatCannotBeCut()
        defer { close(descriptor) }
        try Output.writeAll(Array("{\"n\":1}\n".utf8), to: descriptor)
        let report = try ReportFile("/proc/self/fd/\(descriptor)", continues: false)
        #expect(throws: ReportError.self) { try report.begin() }
    }
}
