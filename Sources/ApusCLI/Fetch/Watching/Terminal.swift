import Glibc

/// What can be shown where a descriptor leads.
struct Terminal: Sendable {
    var descriptor: Int32
    var isTerminal: Bool
    /// Lines can be drawn over.
    var isLive: Bool
    var isStyled: Bool
    /// Bytes from 0x80 on are no commands: in the locales of old, 0x9B begins one, and is part of many letters in UTF-8.
    var isUTF8: Bool

    /// It is /dev/null: nobody will ever read what is written.
    var isNull = false

    /// Instead of the real one, for tests.
    var fixedSize: (columns: Int, rows: Int)?

    init(descriptor: Int32, isTerminal: Bool, isLive: Bool, isStyled: Bool, isUTF8: Bool) {
        self.descriptor = descriptor
        self.isTerminal = isTerminal
        self.isLive = isLive
        self.isStyled = isStyled
        self.isUTF8 = isUTF8
    }

    /// - Parameter environment: what `getenv` gives.
    init(_ descriptor: Int32, environment: (String) -> String? = Terminal.variable) {
        // Programs that name no kind of terminal run where there is none, such as under cron.
        let kind = environment("TERM") ?? "dumb"
        let isTerminal = isatty(descriptor) == 1
        let refusesColour = environment("NO_COLOR").map { !$0.isEmpty } ?? false
        self.init(
            descriptor: descriptor,
            isTerminal: isTerminal,
            isLive: isTerminal && kind != "dumb" && !kind.isEmpty,
            isStyled: isTerminal && kind != "dumb" && !kind.isEmpty && !refusesColour,
            isUTF8: Self.isUTF8(environment)
        )
        isNull = Self.isNull(descriptor)
    }

    /// By its device, as a descriptor has no name. What is called /dev/null may be a file, where somebody has written it by mistake.
    private static func isNull(_ descriptor: Int32) -> Bool {
        var status = stat()
        var null = stat()
        guard fstat(descriptor, &status) == 0, stat("/dev/null", &null) == 0 else { return false }
        return status.st_mode & S_IFMT == S_IFCHR && null.st_mode & S_IFMT == S_IFCHR && status.st_rdev == null.st_rdev
    }

    /// Columns and rows, as of now.
    var size: (columns: Int, rows: Int) {
        if let fixedSize { return fixedSize }
        var size = winsize()
        let isKnown = ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0
        return isKnown ? (Int(size.ws_col), size.ws_row > 0 ? Int(size.ws_row) : 24) : (80, 24)
    }

    /// Whether we may draw: not while the shell has the terminal, as after `bg`.
    var isOurs: Bool {
        let group = tcgetpgrp(descriptor)
        return group < 0 || group == getpgrp()
    }

    /// Whether two descriptors lead to the same terminal.
    static func areSame(_ first: Int32, _ second: Int32) -> Bool {
        var one = stat()
        var other = stat()
        guard isatty(first) == 1, isatty(second) == 1, fstat(first, &one) == 0, fstat(second, &other) == 0 else {
            return false
        }
        return one.st_rdev == other.st_rdev
    }

    /// As the C library chooses (locale(7)): the first of these that is set and not empty.
    private static func isUTF8(_ environment: (String) -> String?) -> Bool {
        for name in ["LC_ALL", "LC_CTYPE", "LANG"] {
            guard let value = environment(name), !value.isEmpty else { continue }
            let locale = value.lowercased()
            return locale.contains("utf-8") || locale.contains("utf8")
        }
        return false
    }

    static func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
}
