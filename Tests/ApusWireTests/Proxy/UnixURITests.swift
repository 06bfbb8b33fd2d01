import ApusWire
import HTTPTypes
import Testing

/// C66: URLs that name a Unix socket.
@Suite struct UnixURITests {
    @Test func `C66: the host is a path, whose letters stay as they are`() throws {
        let uri = try URI("http+unix://%2FVar%2Frun%2Fmy%20App.sock/v1/x?y=Z")
        #expect(uri.unixSocketPath == "/Var/run/my App.sock")
        #expect(uri.hostHeader == "localhost")
        #expect(String(decoding: uri.target, as: UTF8.self) == "/v1/x?y=Z")
        #expect(uri.origin.port == 0)
        let other = try URI("HTTP+UNIX://%2fVar%2Frun%2Fmy%20App.sock")
        #expect(other.unixSocketPath == "/Var/run/my App.sock" && other.path == "/")
        // A path has no labels: dots stand where they like, and names may be long.
        let folder = String(repeating: "a", count: 80)
        #expect(try URI("http+unix://%2F\(folder)%2F..%2F.b..c%2Fs./x").unixSocketPath == "/\(folder)/../.b..c/s.")
        // What has to be normalised elsewhere keeps the host as well.
        #expect(try URI("http+unix://%2FTmp%2FS/ä").unixSocketPath == "/Tmp/S")
    }

    @Test func `other schemes have none, and neither have a port or nothing`() throws {
        #expect(try URI("http://localhost/").unixSocketPath == nil)
        #expect(try URI("http+unix:///path").unixSocketPath == nil)
        #expect(try URI("http+unix://%2Frun%2Fs:80/").unixSocketPath == nil)
        #expect(try URI("foo://HOST/").host == "host")
    }

    @Test func `redirects never lead to one, not even from there`() throws {
        for (from, to) in [
            ("http://example.com/", "http+unix://%2Frun%2Fdocker.sock/"),
            ("http+unix://%2Frun%2Fdocker.sock/", "/elsewhere"),
        ] {
            #expect(throws: RedirectError.self) {
                try RedirectStep(status: 302, location: to, from: try URI(from), method: .get, policy: .follow())
            }
        }
    }

    @Test func `the target for a proxy is the URL without userinfo and fragment`() throws {
        for (text, target) in [
            ("http://u:p@Example.com:80/a?b#c", "http://example.com/a?b"),
            ("http://[::1]:8080", "http://[::1]:8080/"),
        ] {
            #expect(String(decoding: try URI(text).absoluteTarget, as: UTF8.self) == target)
        }
    }
}
