import Foundation
import Glibc
import Testing

@testable import ApusCLI

@Suite struct StagingFolderTests {
    /// A folder in the place of the second file: that one cannot be moved, and the first goes back for a later run.
    @Test func aPartOfWhichOnlyTheBodyCanBeMovedStaysWhereItWas() throws {
        try withScratchFolder { path in
            let (own, other) = (path + "/.apus-partial", path + "/.apus-partial-2")
            try FileManager.default.createDirectory(atPath: other, withIntermediateDirectories: true)
            try writeFile(other + "/7", Array("body".utf8))
            try writeFile(other + "/7.meta", Array("meta".utf8))
            let parent = Folder(descriptor: open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC))
            let staging = try StagingFolder(in: parent)
            #expect(staging.isAbandoned(7))
            try FileManager.default.createDirectory(atPath: own + "/7.meta", withIntermediateDirectories: false)
            staging.adopt(7) { _ in true }
            #expect(!staging.hasLeftover(7))
            #expect(try listFolder(own) == ["7.meta"])
            #expect(try listFolder(other) == ["7", "7.meta"])

            // Nothing is in the way any more.
            try FileManager.default.removeItem(atPath: own + "/7.meta")
            staging.adopt(7) { _ in true }
            #expect(staging.hasLeftover(7))
            #expect(try listFolder(own) == ["7", "7.meta"])
            #expect(readText(own + "/7") == "body")
            #expect(try listFolder(other).isEmpty)
        }
    }
}
