import Glibc

/// A shared library of the system that is opened at run time: what needs it works where it is, and is not there elsewhere.
struct SystemLibrary {
    private let handle: UnsafeMutableRawPointer

    /// - Parameter name: the name with the version of its interface, such as `libzstd.so.1`, looked for as dlopen(3) does.
    init?(_ name: String) {
        guard let handle = dlopen(name, RTLD_NOW | RTLD_LOCAL) else { return nil }
        self.handle = handle
    }

    /// A function of the library.
    ///
    /// - Parameter type: its type, `@convention(c)`.
    func function<Function>(_ name: String, _ type: Function.Type = Function.self) -> Function? {
        guard let address = dlsym(handle, name) else { return nil }
        // POSIX: what dlsym gives for a function's name can be used as that function's address.
        return unsafeBitCast(address, to: type)
    }
}
