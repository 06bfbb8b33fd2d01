import Testing

@testable import ApusWire

@Suite("A jar of many domains, and a full one")
struct CookieBoundsTests {
    @Test("of a full jar the longest unused goes, whatever was used, set anew or removed meanwhile", arguments: 1...20)
    func longestUnused(seed: Int) throws {
        var lab = CookieLab(limits: .init(perDomain: 50, total: 8))
        var random = SplitMix(seed: UInt64(seed))
        // The hosts by their last use, the oldest first: each has one cookie.
        var hosts: [String] = []
        for step in 0..<400 {
            let host = "host\(Int.random(in: 0..<24, using: &random)).test"
            switch Int.random(in: 0..<8, using: &random) {
            case 0:
                lab.store.remove(domain: host)
                hosts.removeAll { $0 == host }
            case 1...3:
                let isThere = try lab.sent(to: "https://\(host)/").isEmpty == false
                #expect(isThere == hosts.contains(host), "step \(step)")
                if isThere {
                    hosts.removeAll { $0 == host }
                    hosts.append(host)
                }
            default:
                try lab.set("name=\(step)", from: "https://\(host)/")
                hosts.removeAll { $0 == host }
                hosts.append(host)
                if hosts.count > 8 { hosts.removeFirst() }
            }
        }
        #expect(Set(lab.store.cookies(at: lab.moment).map(\.domain)) == Set(hosts))
        #expect(lab.store.count == hosts.count)
    }

    @Test("a full jar still lets what has ended go first, also after the clock was set")
    func endedFirst() throws {
        var lab = CookieLab(limits: .init(perDomain: 50, total: 3))
        for name in ["a", "b"] { try lab.set("\(name)=1", from: "https://\(name).test/") }
        try lab.set("short=1; Max-Age=100", from: "https://short.test/")
        // Somebody sets the calendar back by a day: what was to last for so long still does, and its date moves.
        lab.moment = CookieMoment(wall: lab.moment.wall - 86_400, steady: lab.moment.steady)
        lab.pass(101)
        try lab.set("c=1", from: "https://c.test/")
        #expect(lab.store.cookies(at: lab.moment).map(\.name) == ["a", "b", "c"])
    }

    @Test("a Secure cookie is found above and below, of a single label too, and none of a neighbour's")
    func relatives() throws {
        var lab = CookieLab()
        for number in 0..<100 { try lab.set("s=1; Secure", from: "https://www.host\(number).com/") }
        try lab.set("s=1; Secure", from: "https://test/")
        try lab.set("s=1; Secure", from: "https://deep.below.example.com/")
        #expect(try lab.set("s=2", from: "http://a.b.test/") == .refused(.shadowsSecure), "above: one label")
        #expect(try lab.set("s=2", from: "http://test/") == .refused(.shadowsSecure), "the same")
        #expect(try lab.set("s=2", from: "http://com/") == .refused(.shadowsSecure), "below one label")
        #expect(try lab.set("s=2", from: "http://below.example.com/") == .refused(.shadowsSecure), "below")
        #expect(try lab.set("s=2", from: "http://other.example.com/") == .stored, "beside")
        #expect(try lab.set("s=2", from: "http://other.host7.com/") == .stored, "beside")
        #expect(try lab.set("s=2", from: "http://io/") == .stored, "a label that nothing is below")
        lab.store.remove(domain: "below.example.com")
        #expect(try lab.set("s=2", from: "http://below.example.com/") == .stored, "it has gone")
    }
}
