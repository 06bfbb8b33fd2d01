import Glibc
import Testing

@testable import ApusCLI

struct FileSystemTests {
    @Test(arguments: [
        ("36 35 0:27 / /dev/shm rw,nosuid shared:4 - tmpfs tmpfs rw,size=10k", true),
        ("36 35 0:27 / /dev/shm rw,nosuid - tmpfs shm rw", true),
        ("36 35 0:28 / /dev/shm rw,nosuid - tmpfs shm rw", false),
        ("36 35 0:27 / /tmpfs rw - ext4 tmpfs rw", false),
        ("36 35 0:27 / /x rw -", false), ("36 35 0:27", false), ("", false),
    ])
    func onlyATmpfsOfTheSameDeviceIsInMemory(line: String, isInMemory: Bool) {
        #expect(FileSystem.isInMemory(line: line[...], device: "0:27") == isInMemory)
    }

    @Test func aDeviceIsNamedAsInTheListOfMounts() {
        #expect(FileSystem.name(of: 0x1B) == "0:27")
        #expect(FileSystem.name(of: 0xFD01) == "253:1")
        #expect(FileSystem.name(of: 0x0000_1000_0010_0801) == "4104:257")
    }

    @Test func whatIsNoFolderIsNotInMemory() { #expect(!FileSystem.isInMemory(-1)) }
}
