import Glibc

/// A terminal without a screen (pty(7)), for tests of what people type at. The descriptors are the caller's to close.
package struct PseudoTerminal {
    /// The person's side: what is written here is typed, what is read here is shown.
    package let person: Int32
    /// The path of the program's side.
    package let path: String

    // ioctl_tty(2): of the macros of <asm/ioctls.h>, which Swift does not import.
    private static let unlock: UInt = 0x4004_5431
    private static let number: UInt = 0x8004_5430

    /// Nil where the system has none left.
    package init?() {
        person = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC)
        var value: Int32 = 0
        guard person >= 0, ioctl(person, Self.unlock, &value) == 0, ioctl(person, Self.number, &value) == 0 else {
            if person >= 0 { close(person) }
            return nil
        }
        path = "/dev/pts/\(value)"
    }
}
