import ApusNet
import ApusRuntime
import ApusWire

/// Where a ``CookieJar`` learns which domains are public suffixes, such as `com` and `co.uk`: no cookie may be for all names below one.
public struct PublicSuffixes: Sendable {
    private enum Source: Sendable {
        case system
        case rules(PublicSuffixRules)
        case nothing
    }

    private let source: Source

    private init(source: Source) { self.source = source }

    init(_ rules: PublicSuffixRules) { source = .rules(rules) }

    /// What the system has: libpsl (`libpsl.so.5`), else Debian's list (`/usr/share/publicsuffix`), else nothing. It is looked for at the
    /// first cookie with a Domain.
    public static let system = PublicSuffixes(source: .system)

    /// No list: every cookie with a Domain is kept for the host that set it alone, which is safe.
    public static let unknown = PublicSuffixes(source: .nothing)

    /// A list in the form of publicsuffix.org, of your own.
    ///
    /// - Throws: ``ClientError`` `.fileFailed` for a file that cannot be read, or has no rules.
    ///
    /// Cancel safety: nothing is left behind.
    public static func file(_ path: String) async throws -> PublicSuffixes {
        do {
            let rules = try await offload {
                PublicSuffixRules(try WholeFile.read(path, limit: SystemSuffixes.largestList))
            }
            guard !rules.isEmpty else {
                throw ClientError(.fileFailed, "“\(path)” has no rule: it is no list of public suffixes.")
            }
            return PublicSuffixes(source: .rules(rules))
        } catch let error as NetError {
            throw ClientError(.fileFailed, "\(error)", cause: error)
        }
    }

    func answer(_ domain: String) -> PublicSuffixAnswer {
        switch source {
        case .system: SystemSuffixes.shared.answer(domain)
        case .rules(let rules): rules.isSuffix(domain) ? .isSuffix : .isNone
        case .nothing: .unknown
        }
    }

    /// The domain that somebody can register and that the host is, or is below; nil where that is not known.
    func registrableDomain(of host: String) -> String? {
        switch source {
        case .system: SystemSuffixes.shared.registrableDomain(of: host)
        case .rules(let rules): rules.registrableDomain(of: host)
        case .nothing: nil
        }
    }
}

/// The system's list.
enum SystemSuffixes: Sendable {
    case library(PSLLibrary)
    case rules(PublicSuffixRules)
    case nothing

    /// The list has some 300 KB.
    static let largestList = 16 * 1024 * 1024
    private static let files = [
        "/usr/share/publicsuffix/public_suffix_list.dat", "/usr/share/publicsuffix/effective_tld_names.dat",
    ]

    /// Looked for once, which takes a millisecond with the library and some ten with the text.
    static let shared = find()

    static func find(library: String = "libpsl.so.5", files: [String] = files) -> SystemSuffixes {
        if let library = PSLLibrary(library) { return .library(library) }
        for file in files {
            guard let text = try? WholeFile.read(file, limit: largestList) else { continue }
            let rules = PublicSuffixRules(text)
            if !rules.isEmpty { return .rules(rules) }
        }
        return .nothing
    }

    func answer(_ domain: String) -> PublicSuffixAnswer {
        switch self {
        case .library(let library): library.isSuffix(domain) ? .isSuffix : .isNone
        case .rules(let rules): rules.isSuffix(domain) ? .isSuffix : .isNone
        case .nothing: .unknown
        }
    }

    func registrableDomain(of host: String) -> String? {
        switch self {
        case .library(let library): library.registrableDomain(of: host)
        case .rules(let rules): rules.registrableDomain(of: host)
        case .nothing: nil
        }
    }
}

/// The functions of `libpsl.so.5` (libpsl.h), with its newest list.
// @unchecked: addresses of functions that any thread may call, and a list that nobody changes.
struct PSLLibrary: @unchecked Sendable {
    typealias Latest = @convention(c) (UnsafePointer<CChar>?) -> OpaquePointer?
    typealias IsSuffix = @convention(c) (OpaquePointer, UnsafePointer<CChar>) -> Int32
    typealias Registrable = @convention(c) (OpaquePointer, UnsafePointer<CChar>) -> UnsafePointer<CChar>?

    private let list: OpaquePointer
    private let isSuffix: IsSuffix
    private let registrable: Registrable

    /// Nil where the library is not installed, or has no list.
    init?(_ name: String) {
        guard let library = SystemLibrary(name),
            let latest = library.function("psl_latest", Latest.self),
            let isSuffix = library.function("psl_is_public_suffix", IsSuffix.self),
            let registrable = library.function("psl_registrable_domain", Registrable.self),
            let list = latest(nil)
        else { return nil }
        self.list = list
        self.isSuffix = isSuffix
        self.registrable = registrable
    }

    /// - Parameter domain: in lower case and ASCII.
    func isSuffix(_ domain: String) -> Bool { isSuffix(list, domain) != 0 }

    func registrableDomain(of host: String) -> String? {
        host.withCString { text in registrable(list, text).map { String(cString: $0) } }
    }
}
