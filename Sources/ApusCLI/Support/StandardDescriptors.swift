import Glibc

/// Descriptors 0 to 2, which are expected to be standard input, output and error.
enum StandardDescriptors {
    /// Opens `/dev/null` where one is closed: else the next file or connection would get its number, and what is printed
    /// would be written into it. The other way round than it is used, so that using it is an error as before.
    static func fill() {
        for descriptor in STDIN_FILENO...STDERR_FILENO where fcntl(descriptor, F_GETFD) < 0 && errno == EBADF {
            // It gets the lowest free number, which is this one.
            _ = open("/dev/null", descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY)
        }
    }
}
