import Apus
import ApusTesting
import Foundation
import Testing

@testable import ApusCLI

@Suite struct StoreBatchTests {
    private func path(_ number: Int) -> StoragePath { StoragePath(names: ["f\(number)"]) }

    /// Stores as many bodies at once, each the text of its number.
    ///
    /// - Returns: which files are there when all have asked, and what each was told.
    private func store(_ count: Int, in folder: String, at path: @escaping @Sendable (Int) -> StoragePath) async throws
        -> (early: [String], results: [Result<String, any Error>])
    {
        let storage = try Storage(folder)
        let batch = StoreBatch(storage)
        let tasks = (1...count).map { number in
            EventLoop.spawn {
                try await batch.store(Array("\(number)".utf8), at: path(number), number: number, modified: 1_000)
            }
        }
        let early = try await EventLoop.spawn { try files(in: folder) }.value
        var results: [Result<String, any Error>] = []
        for task in tasks { results.append(await task.result) }
        storage.close()
        return (early, results)
    }

    private func files(in folder: String) throws -> [String] {
        try listFolder(folder).filter { $0 != StagingFolder.name }
    }

    @Test func bodiesOfAllWhoAreReadyAreStoredBehindThem() async throws {
        try await withScratchFolder { folder in
            let (early, results) = try await withVirtualTime { try await store(5, in: folder) { path($0) } }
            #expect(early.isEmpty)
            #expect(try results.map { try $0.get() } == (1...5).map { "f\($0)" })
            #expect(try listFolder(folder) == (1...5).map { "f\($0)" })
            for number in 1...5 {
                #expect(readText("\(folder)/f\(number)") == "\(number)")
                let attributes = try FileManager.default.attributesOfItem(atPath: "\(folder)/f\(number)")
                #expect((attributes[.modificationDate] as? Date)?.timeIntervalSince1970 == 1_000)
            }
        }
    }

    /// So that the loop does not stand still for as many as there are.
    @Test func sixteenThatWaitAreNotKeptWaiting() async throws {
        try await withScratchFolder { folder in
            let (early, results) = try await withVirtualTime { try await store(20, in: folder) { path($0) } }
            #expect(early.count == 16)
            #expect(try results.map { try $0.get() } == (1...20).map { "f\($0)" })
            #expect(try files(in: folder).count == 20)
        }
    }

    /// The first one, which stores the others, and one of those.
    @Test(arguments: [1, 3])
    func oneThatCannotBeStoredLeavesTheOthers(bad: Int) async throws {
        try await withScratchFolder { folder in
            try FileManager.default.createSymbolicLink(atPath: folder + "/link", withDestinationPath: "/")
            let (_, results) = try await withVirtualTime {
                try await store(4, in: folder) { $0 == bad ? StoragePath(names: ["link", "f"]) : path($0) }
            }
            for (index, result) in results.enumerated() {
                if index + 1 == bad {
                    #expect(throws: StorageError.self) { try result.get() }
                } else {
                    #expect(try result.get() == "f\(index + 1)")
                }
            }
            #expect(try listFolder(folder) == ["f1", "f2", "f3", "f4", "link"].filter { $0 != "f\(bad)" })
        }
    }

    @Test func whatWasAskedForHappensThoughItsTaskIsCancelled() async throws {
        try await withScratchFolder { folder in
            try await withVirtualTime {
                let batch = StoreBatch(try Storage(folder))
                let tasks = (1...3).map { number in
                    EventLoop.spawn {
                        try await batch.store(Array("\(number)".utf8), at: path(number), number: number, modified: nil)
                    }
                }
                // Behind their beginning.
                await Task.yield()
                for task in tasks { task.cancel() }
                for (index, task) in tasks.enumerated() {
                    let result = await task.result
                    #expect(try result.get() == "f\(index + 1)")
                }
            }
            for number in 1...3 { #expect(readText("\(folder)/f\(number)") == "\(number)") }
        }
    }
}
