import ApusNet
import ApusRuntime
import ApusWire
import Glibc
import Testing

@testable import ApusHTTPClient

@Suite("A jar's files")
struct CookieFileTests {
    private static let suffixes = PublicSuffixes(PublicSuffixRules(Array("com\ntest\n".utf8)))

    private func filled() throws -> CookieJar {
        let jar = CookieJar(publicSuffixes: Self.suffixes)
        for field in [
            "a=\"x y\"; Path=/; Max-Age=86400", "b=2; Domain=example.com; HttpOnly; Secure; SameSite=Lax", "=nameless",
            "__Host-c=canary; Secure; Path=/; Partitioned; SameSite=None", "d=tab\tbed", "e=",
        ] { #expect(try jar.store(field, from: "https://www.example.com/x/y")) }
        let raw = try #require(SetCookie(bytes: [0x72, 0x3D, 0xE9, 0xFF]))
        _ = jar.store([raw], from: CookieTarget(try URI("https://raw.test/")))
        #expect(try jar.store("v6=1", from: "http://[2001:db8::1]/"))
        return jar
    }

    private static func contents(_ path: String) throws -> [UInt8] { try WholeFile.read(path, limit: 1 << 20) }

    private static func write(_ bytes: [UInt8], to path: String) throws {
        let file = try OutputFile(path: path)
        try file.write(bytes)
        try file.finish(syncs: false, modified: nil)
    }

    private static func mode(_ path: String) -> mode_t {
        var facts = stat()
        return stat(path, &facts) == 0 ? facts.st_mode & 0o777 : 0
    }

    private func expectKept(_ jar: CookieJar, _ before: [Cookie], _ error: ClientError?, _ what: String) {
        #expect(jar.cookies == before, "\(what)")
        #expect(error != nil, "\(what)")
        #expect(error.map { !"\($0)".contains("canary") } ?? true, "\(what)")
    }

    @Test("C85: what is saved is loaded as it was, in a file that only its owner can read")
    func roundTrip() async throws {
        let jar = try filled()
        try await withScratchFolder { folder in
            let path = folder + "/cookies.json"
            // An old file that everybody could read does not make the new one so.
            try Self.write([1], to: path)
            #expect(chmod(path, 0o666) == 0)
            try await jar.save(to: path)
            #expect(Self.mode(path) == 0o600)
            let again = CookieJar(publicSuffixes: Self.suffixes)
            try await again.load(from: path)
            #expect(again.cookies == jar.cookies)
            #expect(again.cookies.last?.domain == "2001:db8::1")
            #expect(try again.cookies(for: "https://raw.test/").first?.valueBytes == [0xE9, 0xFF])
            // Once more changes nothing.
            try await again.load(from: path)
            #expect(again.cookies == jar.cookies)
            let empty = CookieJar()
            try await empty.save(to: path)
            try await again.load(from: path)
            #expect(again.cookies == jar.cookies, "a file adds to a jar")
            let disabled = CookieJar.disabled
            try await disabled.load(from: path)
            #expect(disabled.isEmpty)
        }
    }

    @Test("a damaged file is an error that says so, and leaves the jar as it was: cut anywhere")
    func cut() async throws {
        let jar = try filled()
        try await withScratchFolder { folder in
            let path = folder + "/cookies.json"
            try await jar.save(to: path)
            let whole = try Self.contents(path)
            let other = CookieJar()
            try other.store("mine=1", from: "http://a.test/")
            let before = other.cookies
            for count in stride(from: 0, to: whole.count, by: 7) {
                try Self.write(Array(whole[..<count]), to: path)
                let error = await clientError { try await other.load(from: path) }
                #expect(error?.code == .invalidCookieFile, "\(count) bytes")
                expectKept(other, before, error, "\(count) bytes")
            }
        }
    }

    @Test("no byte of a file, whatever it is, brings in what no server can have set")
    func flipped() async throws {
        let jar = try filled()
        try await withScratchFolder { folder in
            let path = folder + "/cookies.json"
            try await jar.save(to: path)
            let whole = try Self.contents(path)
            var random = SplitMix(seed: 85)
            for _ in 0..<300 {
                var bytes = whole
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
                try Self.write(bytes, to: path)
                let other = CookieJar(publicSuffixes: Self.suffixes)
                try? await other.load(from: path)
                let odd = other.cookies.filter { !$0.isAcceptable }
                #expect(odd.isEmpty)
            }
        }
    }

    @Test(
        "files that mean harm are refused whole",
        arguments: [
            #"{"name":"a","value":"canary\r\nX: y","domain":"a.test","hostOnly":true,"path":"/","secure":false,"httpOnly":false}"#,
            #"{"name":"a","value":"canary; b=1","domain":"a.test","hostOnly":true,"path":"/","secure":false,"httpOnly":false}"#,
            #"{"name":"a=","value":"canary","domain":"a.test","hostOnly":true,"path":"/","secure":false,"httpOnly":false}"#,
            #"{"name":"a","value":"canary","domain":"","hostOnly":true,"path":"/","secure":false,"httpOnly":false}"#,
            #"{"name":"a","value":"canary","domain":"A.test","hostOnly":true,"path":"/","secure":false,"httpOnly":false}"#,
            #"{"name":"a","value":"canary","domain":"u@a.test","hostOnly":true,"path":"/","secure":false,"httpOnly":false}"#,
            #"{"name":"a","value":"canary","domain":"127.0.0.1","hostOnly":false,"path":"/","secure":false,"httpOnly":false}"#,
            #"{"name":"a","value":"canary","domain":"a.test","hostOnly":true,"path":"x","secure":false,"httpOnly":false}"#,
            #"{"name":"__Host-a","value":"canary","domain":"a.test","hostOnly":false,"path":"/","secure":true,"httpOnly":false}"#,
            #"{"name":"a","value":"canary","domain":"a.test","hostOnly":true,"path":"/","secure":false}"#,
            #"{"name":"a","value":"canary","valueBytes":[10],"domain":"a.test","hostOnly":true,"path":"/","secure":false,"httpOnly":false}"#,
        ]
    )
    func hostile(_ item: String) async throws {
        let good =
            #"{"name":"g","value":"1","domain":"a.test","hostOnly":true,"path":"/","secure":false,"httpOnly":false}"#
        try await withScratchFolder { folder in
            let jar = CookieJar(publicSuffixes: Self.suffixes)
            try Self.write(Array(#"{"version":1,"cookies":[\#(good),\#(item)]}"#.utf8), to: folder + "/c")
            let error = await clientError { try await jar.load(from: folder + "/c") }
            #expect(error?.code == .invalidCookieFile)
            expectKept(jar, [], error, item)
            try Self.write(Array(#"{"version":1,"cookies":[\#(good)]}"#.utf8), to: folder + "/c")
            try await jar.load(from: folder + "/c")
            #expect(jar.count == 1, "and the good one alone is read")
        }
    }

    @Test("what has ended, and what is for a public suffix by now, is left out; another version is refused")
    func leftOut() async throws {
        func item(_ name: String, _ rest: String) -> String {
            #"{"name":"\#(name)","value":"1","path":"/","secure":false,"httpOnly":false,\#(rest)}"#
        }
        let items = [
            item("old", #""domain":"a.test","hostOnly":true,"expires":1000"#),
            item("far", #""domain":"a.test","hostOnly":true,"expires":9000000000000"#),
            item("suffix", #""domain":"com","hostOnly":false"#),
        ]
        try await withScratchFolder { folder in
            let jar = CookieJar(publicSuffixes: Self.suffixes)
            try Self.write(
                Array(#"{"version":1,"cookies":[\#(items.joined(separator: ","))]}"#.utf8),
                to: folder + "/c"
            )
            try await jar.load(from: folder + "/c")
            #expect(jar.cookies.map(\.name) == ["far"])
            let latest = CookieMoment.current().wall + CookieStore.longestLife
            #expect((jar.cookies.first?.expires?.secondsSince1970 ?? .max) <= latest)
            try Self.write(Array(#"{"version":2,"cookies":[]}"#.utf8), to: folder + "/c")
            let error = await clientError { try await jar.load(from: folder + "/c") }
            #expect(error?.code == .invalidCookieFile)
            #expect(error?.message.contains("version is 2") == true)
        }
    }

    @Test("files that cannot be read or written are told with the system's reason, and leave nothing behind")
    func unreadable() async throws {
        let jar = try filled()
        try await withScratchFolder { folder in
            for path in [folder + "/none", folder, folder + "/none/x", "", "a\u{0}b"] {
                let error = await clientError { try await jar.load(from: path) }
                #expect(error?.code == .fileFailed, "\(path)")
                let netscape = await clientError { try await jar.load(netscape: path) }
                #expect(netscape?.code == .fileFailed, "\(path)")
            }
            let missing = await clientError { try await jar.load(from: folder + "/none") }
            #expect((missing?.cause as? NetError)?.errno == ENOENT)
            // A pipe that nobody writes to.
            #expect(mkfifo(folder + "/pipe", 0o600) == 0)
            let pipe = await clientError { try await jar.load(from: folder + "/pipe") }
            #expect(pipe?.code == .fileFailed)
            for path in ["/proc/cookies.json", folder + "/none/x", folder + "/", ""] {
                let error = await clientError { try await jar.save(to: path) }
                #expect(error?.code == .fileFailed, "\(path)")
            }
            // A folder cannot be replaced by a file.
            #expect(mkdir(folder + "/taken", 0o700) == 0)
            let taken = await clientError { try await jar.save(to: folder + "/taken") }
            #expect(taken?.code == .fileFailed)
            let names = try Self.names(folder)
            #expect(names == ["pipe", "taken"], "\(names)")
        }
    }

    private static func names(_ folder: String) throws -> [String] {
        guard let directory = opendir(folder) else { throw NetError(.file, errno: errno, while: "Opening “\(folder)”") }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    @Test("Netscape's form: written for its owner alone, and read back as far as it can say it")
    func netscape() async throws {
        let jar = try filled()
        try await withScratchFolder { folder in
            let path = folder + "/cookies.txt"
            try await jar.save(netscape: path)
            #expect(Self.mode(path) == 0o600)
            let again = CookieJar(publicSuffixes: Self.suffixes)
            try await again.load(netscape: path)
            #expect(again.cookies.map(\.name) == ["a", "b", "__Host-c", "e", "r", "v6"])
            #expect(try again.cookies(for: "https://raw.test/").first?.valueBytes == [0xE9, 0xFF])
            let (one, other) = (again.cookies[1], jar.cookies[1])
            #expect(
                one.isHTTPOnly && one.isSecure && !one.isHostOnly && one.domain == other.domain
                    && one.path == other.path
            )
            try Self.write(Array("# x\nno cookie with canary\n".utf8), to: path)
            let before = again.cookies
            let error = await clientError { try await again.load(netscape: path) }
            #expect(error?.code == .invalidCookieFile)
            #expect(error?.message.contains("line 2") == true)
            expectKept(again, before, error, "Netscape's form")
        }
    }

    @Test("C88: public suffixes come from libpsl, else from Debian's list, else from nowhere")
    func publicSuffixes() async throws {
        try await withScratchFolder { folder in
            try Self.write(Array("// x\ncom\n*.ck\n".utf8), to: folder + "/list")
            try Self.write(Array("// nothing\n".utf8), to: folder + "/empty")
            let file = SystemSuffixes.find(
                library: "libnone.so.0",
                files: [folder + "/none", folder + "/empty", folder + "/list"]
            )
            #expect(file.answer("com") == .isSuffix && file.answer("a.com") == .isNone)
            #expect(file.registrableDomain(of: "b.a.com") == "a.com")
            let nothing = SystemSuffixes.find(library: "libnone.so.0", files: [folder + "/none"])
            #expect(nothing.answer("com") == .unknown && nothing.registrableDomain(of: "a.com") == nil)
            let own = try await PublicSuffixes.file(folder + "/list")
            #expect(own.answer("x.ck") == .isSuffix && own.registrableDomain(of: "a.x.ck") == "a.x.ck")
            for path in ["/empty", "/none"] {
                let error = await clientError { try await PublicSuffixes.file(folder + path) }
                #expect(error?.code == .fileFailed)
            }
        }
        // Where the machine has both, they have to agree.
        guard case .library(let library) = SystemSuffixes.find(),
            case .rules(let rules) = SystemSuffixes.find(library: "libnone.so.0")
        else { return }
        for host in [
            "com", "example.com", "co.uk", "a.co.uk", "b.a.co.uk", "ck", "www.ck", "x.ck", "a.x.ck", "kobe.jp",
            "c.kobe.jp",
            "city.kobe.jp", "github.io", "me.github.io", "localhost", "nosuchtld", "a.nosuchtld", "xn--90ae",
            "a.xn--90ae",
            "xn--55qx5d.cn", "a.xn--55qx5d.cn", "s3.amazonaws.com", "compute.amazonaws.com", "x.compute.amazonaws.com",
        ] {
            #expect(library.isSuffix(host) == rules.isSuffix(host), "\(host)")
            #expect(library.registrableDomain(of: host) == rules.registrableDomain(of: host), "\(host)")
        }
    }
}
