import Glibc
import Testing

@testable import ApusCLI

@Suite struct FetchStateTests {
    private func identity(_ arguments: [String] = ["http://h/"], output: String? = nil, tree: Bool = false) throws
        -> RunIdentity
    {
        try RunIdentity(arguments: arguments, input: nil, output: output, tree: tree)
    }

    private func open(_ path: String, resume: Bool = true) throws -> FetchState {
        try FetchState.open(path: path, identity: identity(), resume: resume)
    }

    private func code(_ body: () throws -> FetchState) -> StateError.Code? {
        do {
            _ = try body()
            return nil
        } catch {
            return (error as? StateError)?.code
        }
    }

    @Test func whatIsDoneIsDoneForTheNextRun() throws {
        try withScratchFolder { folder in
            let path = folder + "/state"
            let numbers = [1, 2, 64, 65, 4_096, 4_097, 100_000, 1_000_003]
            do {
                let state = try open(path)
                #expect(state.doneCount == 0)
                for number in numbers { state.markDone(number) }
                state.markDone(64)
                state.markDone(0)
                state.markDone(-3)
                try state.close()
            }
            #expect(permissions(path) == 0o600)
            let state = try open(path)
            #expect(state.doneCount == numbers.count)
            for number in numbers {
                #expect(state.isDone(number))
                #expect(state.isDone(number + 1) == numbers.contains(number + 1))
            }
            #expect(!state.isDone(0) && !state.isDone(2_000_000_000))
            #expect(try listFolder(folder) == ["state"])
        }
    }

    /// The bits are in memory that dies with the process until `flush`, and in the file from then on.
    @Test func aKilledRunLosesOnlyWhatWasNotFlushed() throws {
        try withScratchFolder { folder in
            let path = folder + "/state"
            do {
                let state = try open(path)
                for number in 1...5_000 { state.markDone(number) }
                #expect(state.needsFlush)
                try state.flush()
                #expect(!state.needsFlush)
                state.markDone(6_000)
            }
            let state = try open(path)
            #expect(state.doneCount == 5_000)
            #expect(!state.isDone(6_000))
        }
    }

    /// A copy of the file at any length is one from which a run can go on, with no more than was done.
    @Test func whateverWasWrittenIsAState() throws {
        try withScratchFolder { folder in
            let path = folder + "/state"
            let state = try open(path)
            for number in stride(from: 1, through: 9_000, by: 3) { state.markDone(number) }
            try state.close()
            let bytes = try #require(readFile(path))
            for length in Array(4_096...4_130) + [4_608, 5_000, bytes.count] {
                try writeFile(folder + "/copy", Array(bytes[..<length]))
                let copy = try open(folder + "/copy")
                #expect(copy.doneCount <= 3_000)
                for number in 1...9_000 where copy.isDone(number) { #expect(number % 3 == 1) }
                if length == bytes.count { #expect(copy.doneCount == 3_000) }
            }
        }
    }

    @Test func blocksAreWrittenAgainAfterAFailure() {
        var numbers = FinishedNumbers()
        numbers.insert(1)
        numbers.insert(5_000)
        let blocks = numbers.takeUnwritten()
        #expect(blocks.map(\.offset) == [0, 512])
        #expect(!numbers.hasUnwritten && numbers.takeUnwritten().isEmpty)
        numbers.insert(2)
        numbers.putBack(blocks)
        #expect(numbers.takeUnwritten().map(\.offset).sorted() == [0, 512])
    }

    @Test func randomNumbersComeBack() {
        var numbers = FinishedNumbers()
        var expected: Set<Int> = []
        var disk: [UInt8] = []
        for _ in 0..<2_000 {
            let number = Int.random(in: 1...200_000)
            numbers.insert(number)
            expected.insert(number)
            guard Int.random(in: 0..<10) == 0 else { continue }
            for block in numbers.takeUnwritten() {
                disk += [UInt8](repeating: 0, count: max(0, block.offset + block.bytes.count - disk.count))
                disk.replaceSubrange(block.offset..<block.offset + block.bytes.count, with: block.bytes)
            }
        }
        for block in numbers.takeUnwritten() {
            disk += [UInt8](repeating: 0, count: max(0, block.offset + block.bytes.count - disk.count))
            disk.replaceSubrange(block.offset..<block.offset + block.bytes.count, with: block.bytes)
        }
        for end in [disk.count, disk.count - 3] {
            let again = FinishedNumbers(bytes: Array(disk[..<end]))
            let reachable = expected.filter { $0 <= end * 8 }
            #expect(again.count == reachable.count)
            #expect((1...200_000).allSatisfy { again.contains($0) == reachable.contains($0) })
        }
        #expect(numbers.count == expected.count)
    }

    // MARK: - Whose it is

    @Test func aSecondRunIsRefusedWhileTheFirstOneGoesOn() throws {
        try withScratchFolder { folder in
            let path = folder + "/state"
            let first = try open(path)
            #expect(code { try open(path) } == .inUse)
            #expect(code { try open(path, resume: false) } == .inUse)
            try first.close()
            try open(path).close()
        }
    }

    @Test func finishedWorkIsNotLostForALackOfResume() throws {
        try withScratchFolder { folder in
            let path = folder + "/state"
            try open(path).close()
            // Nothing is done yet.
            let state = try open(path, resume: false)
            state.markDone(1)
            try state.close()
            #expect(code { try open(path, resume: false) } == .hasWork)
            #expect(try open(path).doneCount == 1)
        }
    }

    @Test func theFileIsRemovedWhenNothingIsLeftToDo() throws {
        try withScratchFolder { folder in
            let state = try open(folder + "/state")
            state.markDone(1)
            try state.close(removing: true)
            try state.close()
            try state.flush()
            #expect(try listFolder(folder) == [])
        }
    }

    @Test func anotherRunIsRefusedAndToldWhy() throws {
        try withScratchFolder { folder in
            let path = folder + "/state"
            let list = folder + "/list"
            func file(_ text: String, _ modified: Int) throws -> InputFile {
                try writeFile(list, Array(text.utf8))
                setModified(list, modified)
                return try InputFile(path: list)
            }
            let (a, b) = (["http://h/a"], ["http://h/b"])
            let known = try RunIdentity(arguments: a, input: file("x", 1), output: folder, tree: true)
            try FetchState.open(path: path, identity: known, resume: false).close()
            let others: [(RunIdentity, String)] = [
                (try RunIdentity(arguments: b, input: file("x", 1), output: folder, tree: true), "other URLs"),
                (try RunIdentity(arguments: a + a, input: file("x", 1), output: folder, tree: true), "other URLs"),
                (try RunIdentity(arguments: a, input: nil, output: folder, tree: true), "with an input file"),
                (
                    try RunIdentity(arguments: a, input: InputFile(path: "-"), output: folder, tree: true),
                    "with an input file"
                ),
                (try RunIdentity(arguments: a, input: file("y", 1), output: folder, tree: true), "not the one"),
                (try RunIdentity(arguments: a, input: file("xx", 1), output: folder, tree: true), "not the one"),
                (try RunIdentity(arguments: a, input: file("x", 2), output: folder, tree: true), "written again"),
                (try RunIdentity(arguments: a, input: file("x", 1), output: "/", tree: true), "-o /"),
                (try RunIdentity(arguments: a, input: file("x", 1), output: nil, tree: true), "-o /"),
                (try RunIdentity(arguments: a, input: file("x", 1), output: folder, tree: false), "with --tree"),
                (
                    try RunIdentity(
                        arguments: a,
                        input: file("x", 1),
                        output: folder,
                        tree: true,
                        expandsRanges: false
                    ),
                    "ranges expanded"
                ),
            ]
            for (other, words) in others {
                let error = #expect(throws: StateError.self) {
                    try FetchState.open(path: path, identity: other, resume: true)
                }
                #expect(error?.code == .otherRun)
                #expect(error?.description.contains(words) == true, "\(String(describing: error))")
            }
            let same = try RunIdentity(
                arguments: ["http://h/a"],
                input: file("x", 1),
                output: folder + "/.",
                tree: true
            )
            try FetchState.open(path: path, identity: same, resume: true).close()
        }
    }

    @Test func passwordsAreNotPartOfTheIdentity() throws {
        let plain = try identity(["http://h/@x?a@b", "h"])
        #expect(try identity(["http://user:secret@h/@x?a@b", "h"]) == plain)
        #expect(try identity(["http://user:p@ss@h/@x?a@b", "h"]) == plain)
        #expect(try identity(["http://h/@x?a@c", "h"]) != plain)
        #expect(try identity(["http://h/@x?a@bh", ""]) != plain)
    }

    // MARK: - Damage

    @Test func headsComeBack() throws {
        let long = "/" + String(repeating: "é\n ", count: 1_000)
        for output in [nil, "/a b", long] as [String?] {
            for input in [.none, .stream, .file(InputIdentity(size: 3, modified: -4, nanoseconds: 5, hash: .max))]
                as [RunIdentity.Input]
            {
                var identity = try identity(["http://h/"])
                identity.output = output
                identity.input = input
                let head = StateFile.head(identity)
                #expect(head.count.isMultiple(of: StateFile.headUnit))
                let found = StateFile.parse(head + [1, 2, 3])
                #expect(found?.identity == identity && found?.size == head.count)
            }
        }
    }

    @Test func aDamagedHeadIsNoticedWhateverByteItIs() throws {
        let head = StateFile.head(try identity())
        let length = head.firstIndex(of: 0) ?? 0
        for index in 0..<length {
            var damaged = head
            damaged[index] ^= 1
            #expect(StateFile.parse(damaged) == nil, "\(index)")
            damaged[index] = 0
            #expect(StateFile.parse(damaged) == nil, "\(index)")
        }
        for length in [0, 1, length - 1, length, head.count - 1] {
            #expect(StateFile.parse(Array(head[..<length])) == nil)
        }
    }

    @Test(arguments: ["http://a/\nhttp://b/\n", "apus-fetch-state 2 4096\n", "\u{7F}ELF"])
    func anotherFileIsLeftAlone(text: String) throws {
        try withScratchFolder { folder in
            let path = folder + "/state"
            try writeFile(path, Array(text.utf8))
            #expect(code { try open(path) } == .notAState)
            #expect(code { try open(path, resume: false) } == .notAState)
            #expect(readText(path) == text)
            #expect(code { try open(folder) } == .system)
            mkfifo(folder + "/fifo", 0o600)
            #expect(code { try open(folder + "/fifo") } == .notAState)
            #expect(code { try open(folder + "/none/state") } == .system)
        }
    }

    @Test func anEmptyFileIsANewState() throws {
        try withScratchFolder { folder in
            let path = folder + "/state"
            try writeFile(path, [])
            chmod(path, 0o644)
            let state = try open(path)
            state.markDone(7)
            try state.close()
            #expect(permissions(path) == 0o600)
            #expect(try open(path).isDone(7))
        }
    }
}
