import ApusWire
import Testing

/// C29: NO_PROXY.
@Suite struct ProxyExceptionsTests {
    private static func matches(_ list: String, _ hosts: String..., port: Int = 80) -> [Bool] {
        let exceptions = ProxyExceptions(list)
        return hosts.map { exceptions.contains(host: $0, port: port) }
    }

    @Test func `C29: a domain stands for itself and all below it, with or without a dot or star before`() {
        for entry in ["example.com", ".example.com", "*.example.com", "EXAMPLE.com", "example.com."] {
            #expect(
                Self.matches(
                    entry,
                    "example.com",
                    "www.example.com",
                    "a.b.example.com.",
                    "badexample.com",
                    "example.com.evil"
                )
                    == [true, true, true, false, false],
                "\(entry)"
            )
        }
        #expect(Self.matches("com", "example.com", "com", "example.org") == [true, true, false])
    }

    @Test func `a star is everything, and only alone`() {
        #expect(Self.matches("*", "example.com", "10.0.0.1", "::1") == [true, true, true])
        #expect(Self.matches("a.test, *", "example.com") == [true])
        #expect(Self.matches("ex*mple.com", "example.com", "exXmple.com") == [false, false])
    }

    @Test func `C29: a port is asked for where one is given`() {
        #expect(Self.matches("example.com:8080", "example.com", port: 8080) == [true])
        #expect(Self.matches("example.com:8080", "example.com", port: 80) == [false])
        #expect(Self.matches("10.0.0.1:8080", "10.0.0.1", port: 8080) == [true])
        #expect(Self.matches("[::1]:8080", "::1", port: 8080) == [true])
        #expect(Self.matches("[::1]:8080", "::1", port: 81) == [false])
        #expect(Self.matches("example.com:", "example.com") == [false])
        #expect(Self.matches("example.com:http", "example.com") == [false])
    }

    @Test func `C29: addresses and ranges, in either spelling`() {
        #expect(Self.matches("10.0.0.1", "10.0.0.1", "10.0.0.2", "::ffff:10.0.0.1") == [true, false, true])
        #expect(Self.matches("10.0.0.0/8", "10.255.0.1", "11.0.0.0", "9.255.255.255") == [true, false, false])
        #expect(
            Self.matches("192.168.4.0/22", "192.168.7.255", "192.168.8.0", "192.168.3.255") == [true, false, false]
        )
        #expect(Self.matches("0.0.0.0/0", "192.0.2.1", "::1", "example.com") == [true, false, false])
        #expect(Self.matches("fd00::/8", "fd12::1", "fe80::1") == [true, false])
        #expect(Self.matches("2001:db8::1", "2001:db8::1", "2001:db8::2") == [true, false])
        #expect(Self.matches("[2001:db8::1]", "2001:db8::1") == [true])
        #expect(Self.matches("::1/128", "::1", "::2") == [true, false])
        // Names are not looked up, and not compared as figures.
        #expect(Self.matches("10.0.0.0/8", "10.example") == [false])
        #expect(Self.matches("0.0.1", "10.0.0.1") == [false])
    }

    @Test func `what is no entry matches nothing`() {
        for entry in [
            "", " ", ",,", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/", "::/129", "/8", "a/b", ".", "10.0.0.0/8/8",
            "10.0.0.0/+8",
        ] {
            #expect(Self.matches(entry, "10.0.0.1", "example.com", "") == [false, false, false], "\(entry)")
        }
    }

    @Test func `entries are separated by commas or white space`() {
        for list in ["a.test,b.test", "a.test, b.test", "a.test b.test", " a.test\t,\nb.test , "] {
            #expect(Self.matches(list, "a.test", "b.test", "c.test") == [true, true, false], "\(list)")
        }
    }

    private static func setting(_ variables: [String: String], _ scheme: String, _ host: String = "example.com")
        -> String?
    {
        ProxyEnvironment { variables[$0] }
            .setting(scheme: scheme, host: host, port: scheme == "https" ? 443 : 80)
            .map { "\($0.variable) \($0.text)" }
    }

    @Test func `C29: lower case comes first, and an empty value is none`() {
        let both = ["http_proxy": "a", "HTTP_PROXY": "b", "https_proxy": "c", "HTTPS_PROXY": "d"]
        #expect(Self.setting(both, "http") == "http_proxy a")
        #expect(Self.setting(both, "https") == "https_proxy c")
        #expect(Self.setting(["HTTP_PROXY": "b"], "http") == "HTTP_PROXY b")
        #expect(Self.setting(["HTTPS_PROXY": "d"], "https") == "HTTPS_PROXY d")
        #expect(Self.setting(["http_proxy": "", "HTTP_PROXY": "b"], "http") == nil)
        #expect(Self.setting(["http_proxy": " "], "http") == nil)
        #expect(Self.setting(both, "http+unix") == nil)
        #expect(Self.setting([:], "http") == nil)
    }

    @Test func `C29: a CGI program's HTTP_PROXY is a stranger's`() {
        let cgi = ["HTTP_PROXY": "evil", "REQUEST_METHOD": "GET", "HTTPS_PROXY": "mine"]
        #expect(Self.setting(cgi, "http") == nil)
        #expect(Self.setting(cgi, "https") == "HTTPS_PROXY mine")
        #expect(Self.setting(cgi.merging(["http_proxy": "mine"]) { $1 }, "http") == "http_proxy mine")
        #expect(Self.setting(cgi.merging(["ALL_PROXY": "all"]) { $1 }, "http") == "ALL_PROXY all")
    }

    @Test func `all_proxy is for both, unless one has its own; no_proxy is for all`() {
        let all = ["all_proxy": "all", "https_proxy": "own", "no_proxy": "example.com,10.0.0.0/8"]
        #expect(Self.setting(all, "http", "other.test") == "all_proxy all")
        #expect(Self.setting(all, "https", "other.test") == "https_proxy own")
        #expect(Self.setting(all, "http", "www.example.com") == nil)
        #expect(Self.setting(all, "https", "10.1.2.3") == nil)
        #expect(Self.setting(["ALL_PROXY": "all", "NO_PROXY": "*"], "https") == nil)
        #expect(Self.setting(["all_proxy": "all", "no_proxy": "", "NO_PROXY": "*"], "https") == "all_proxy all")
    }

    @Test func `passwords of the environment are not shown`() {
        let environment = ProxyEnvironment { $0 == "http_proxy" ? "http://u:canary@p" : nil }
        var dumped = ""
        dump(environment, to: &dumped)
        #expect(!dumped.contains("canary"))
    }
}
