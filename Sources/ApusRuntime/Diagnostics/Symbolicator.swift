import CApus
import Glibc

#if canImport(Runtime)
import Runtime
#endif

/// Turns addresses into functions, files and lines. Allocates, opens files and may take a second in a large program: for
/// the watchdog's thread, never for the loop's.
enum Symbolicator {
    /// - Parameter addresses: a program counter and then return addresses, outwards.
    static func frames(for addresses: [UInt]) -> [BlockReport.Frame] {
        guard !addresses.isEmpty else { return [] }
        #if canImport(Runtime)
        if let frames = onFreshThread({ framesWithLines(for: addresses) }) { return frames }
        #endif
        return addresses.indices.map { nearestSymbol(addresses[$0], isReturnAddress: $0 > 0) }
    }

    #if canImport(Runtime)
    private static let turn = Turn()

    /// `symbolicated()` keeps the files that it reads mapped for as long as its thread lives, and `ImageMap.capture()`
    /// (6.3) takes those mappings for the loaded libraries: a thread's second backtrace has no names for them. So each one
    /// gets a thread of its own, one at a time, which gives the memory back, too.
    private static func onFreshThread(_ body: @escaping @Sendable () -> [BlockReport.Frame]?) -> [BlockReport.Frame]? {
        turn.take {
            let work = Work(body: body)
            let error = apus_bt_spawn(
                "apus-symbols",
                { raw in
                    let work = Unmanaged<Work>.fromOpaque(raw!).takeUnretainedValue()
                    let frames = work.body()
                    work.result.withLock { $0 = frames }
                },
                Unmanaged.passUnretained(work).toOpaque(),
                true
            )
            return withExtendedLifetime(work) { error == 0 ? work.result.withLock { $0 } : nil }
        }
    }

    private final class Work: Sendable {
        let body: @Sendable () -> [BlockReport.Frame]?
        let result = ForkSafeLock<[BlockReport.Frame]?>(nil)

        init(body: @escaping @Sendable () -> [BlockReport.Frame]?) {
            self.body = body
        }
    }
    #endif

    #if canImport(Runtime)
    /// From the debug information, by the standard library's own reader.
    private static func framesWithLines(for addresses: [UInt]) -> [BlockReport.Frame]? {
        let images = ImageMap.capture()
        guard let symbolicated = symbolicated(addresses, images) else { return nil }
        var needsLine = true
        return symbolicated.frames.compactMap { frame in
            guard let address = UInt(frame.captured.originalProgramCounter) else { return nil }
            guard let symbol = frame.symbol, !symbol.rawName.isEmpty, symbol.rawName != "<unknown>" else {
                return nearestSymbol(address, isReturnAddress: address != addresses[0])
            }
            if symbol.isSwiftRuntimeFailure { return nil }  // "overflow" and the like, inlined at line 0
            let isInternal = FrameOrigin.isInternal(
                symbol: symbol.rawName,
                image: symbol.imageName,
                file: symbol.sourceLocation?.path
            )
            var location = symbol.sourceLocation.flatMap { $0.line > 0 ? $0 : nil }
            if !isInternal, needsLine {
                if location == nil, !frame.inlined { location = lineBefore(address, in: symbol.rawName, images) }
                if location != nil { needsLine = false }
            }
            return BlockReport.Frame(
                function: FunctionName.readable(symbol.name),
                file: location?.path,
                line: location?.line,
                image: symbol.imageName,
                address: address,
                isInlined: frame.inlined,
                isInternal: isInternal
            )
        }
    }

    private static func symbolicated(_ addresses: [UInt], _ images: ImageMap) -> SymbolicatedBacktrace? {
        // If another version of the format reads something else into the bytes, do without rather than guess.
        guard let backtrace = try? Backtrace(from: BacktraceDecoder(addresses)),
            backtrace.frames.map({ UInt($0.originalProgramCounter) }) == addresses
        else { return nil }
        return backtrace.symbolicated(with: images)
    }

    /// Optimised code has instructions without a line of their own (line 0). The nearest one before them that has a line
    /// is what a reader wants; done for the culprit only.
    private static func lineBefore(
        _ address: UInt,
        in function: String,
        _ images: ImageMap
    ) -> SymbolicatedBacktrace.SourceLocation? {
        let distances: [UInt] = [2, 4, 8, 14, 22, 32, 46, 64, 96, 140, 200, 300, 450]
        for frame in symbolicated(distances.map { address &- $0 }, images)?.frames ?? [] where !frame.inlined {
            guard let symbol = frame.symbol, symbol.rawName == function else { return nil }
            if let location = symbol.sourceLocation, location.line > 0 { return location }
        }
        return nil
    }
    #endif

    /// From the dynamic symbol table: exported functions only, and no lines.
    private static func nearestSymbol(_ address: UInt, isReturnAddress: Bool) -> BlockReport.Frame {
        var imagePath: UnsafePointer<CChar>?
        var symbolName: UnsafePointer<CChar>?
        apus_bt_nearest_symbol(isReturnAddress ? address - 1 : address, &imagePath, &symbolName)
        let image = imagePath.map { String(cString: $0).split(separator: "/").last.map(String.init) ?? "" }
        let symbol = symbolName.map { String(cString: $0) }
        var function = symbol
        if let demangled = symbolName.flatMap({ apus_bt_demangle($0) }) {
            function = String(cString: demangled)
            free(demangled)
        }
        return BlockReport.Frame(
            function: function.map(FunctionName.readable),
            image: image,
            address: address,
            isInlined: false,
            isInternal: FrameOrigin.isInternal(symbol: symbol, image: image, file: nil)
        )
    }
}

/// Whose code a frame is.
enum FrameOrigin {
    /// The names of Apus's library modules as they begin a mangled symbol. Its programs and tests are users.
    private static let moduleNames = [
        "Apus", "ApusRuntime", "ApusWire", "ApusNet", "ApusHTTPClient", "ApusHTTPServer", "ApusTesting",
    ]
    private static let modules = moduleNames.map { "\($0.utf8.count)\($0)" }

    /// Where their sources are. What is above is the user's matter, and debug information may leave it out.
    private static let folders = moduleNames.map { "/Sources/\($0)/" }

    private static let images = [
        "libc.so", "libc-", "libm.so", "libm-", "libpthread", "ld-", "ld.so", "libdl.so", "librt.so", "libresolv.so",
        "libgcc_s", "libstdc++", "libswift", "lib_", "libFoundation", "libdispatch", "libBlocksRuntime", "[vdso]",
        "linux-vdso",
    ]

    static func isInternal(symbol: String?, image: String?, file: String?) -> Bool {
        if let image, images.contains(where: { image.hasPrefix($0) }) { return true }
        // Generic code of the standard library that was compiled into the program, and what the compiler has made up.
        if let file, file.hasSuffix("<compiler-generated>") || file.contains("/swift/stdlib/") { return true }
        // Of the standard library's too, and inlined into it, where Apus calls it: a release build has a copy of its own of that.
        if let file, folders.contains(where: { "/\(file)".contains($0) }) { return true }
        guard let symbol else { return false }
        for prefix in ["$s", "$S"] where symbol.hasPrefix(prefix) {
            let rest = symbol.dropFirst(prefix.count)
            if modules.contains(where: { rest.hasPrefix($0) }) { return true }
            // Without a line, what belongs to the standard library's module is not an extension by the program.
            return file == nil && (rest.hasPrefix("s") || rest.hasPrefix("S"))
        }
        // The runtime in a statically linked program, and what starts every program.
        return symbol.hasPrefix("_ZN5swift") || symbol.hasPrefix("_ZN12_GLOBAL__N_") || symbol.hasPrefix("swift_")
            || symbol.hasPrefix("_dispatch_") || symbol.hasPrefix("apus_")
            || symbol == "main" || symbol == "_start" || symbol == "async_Main"
    }
}

/// A demangled name as one would say it.
enum FunctionName {
    /// "(1) await resume partial function for App.query() async -> Swift.Int" is, to its author, App.query().
    static func readable(_ name: String) -> String {
        var name = name[...]
        for marker in [" suspend resume partial function for ", " await resume partial function for "]
        where name.hasPrefix("(") {
            if let found = name.firstRange(of: marker) { name = name[found.upperBound...] }
        }
        // sleep@@GLIBC_2.2.5
        if let version = name.firstIndex(of: "@"), !name.contains(" ") { name = name[..<version] }
        // A closure at top level is "in" nothing.
        if name.hasPrefix("closure #"), name.hasSuffix(" in ") { name = name.dropLast(4) }
        return String(name)
    }
}

/// Source paths as they are read.
enum SourcePath {
    /// Relative to the working directory, if the file is in it.
    static func shortened(_ path: String) -> String {
        guard let directory = getcwd(nil, 0) else { return path }
        defer { free(directory) }
        let prefix = String(cString: directory) + "/"
        return path.hasPrefix(prefix) ? String(path.dropFirst(prefix.utf8.count)) : path
    }
}
