import Testing

@testable import ApusCLI

@Suite struct URLTemplateTests {
    private func members(_ text: String) throws -> [String] {
        let template = try URLTemplate(text)
        return (0..<template.count).map { template[$0] }
    }

    @Test(arguments: [
        ("h/{1..3}", ["h/1", "h/2", "h/3"]),
        ("{9..11}", ["9", "10", "11"]),
        ("{08..11}", ["08", "09", "10", "11"]),
        ("{001..3}.json", ["001.json", "002.json", "003.json"]),
        ("{1..003}", ["001", "002", "003"]),
        ("{0..10..5}", ["0", "5", "10"]),
        ("{0..9..4}", ["0", "4", "8"]),
        ("{3..1}", ["3", "2", "1"]),
        ("{5..0..2}", ["5", "3", "1"]),
        ("{7..7}", ["7"]),
        ("{0..0}", ["0"]),
        ("{a..c}", ["a", "b", "c"]),
        ("{C..A..2}", ["C", "A"]),
        ("{a,b,c}", ["a", "b", "c"]),
        ("x{,y}", ["x", "xy"]),
        ("{1..2,5}", ["1..2", "5"]),
        ("{a,b}{1..2}", ["a1", "a2", "b1", "b2"]),
        ("{1..2}-{x}-", []),
        ("é{1,2}ü", ["é1ü", "é2ü"]),
    ])
    func rangesAndListsGiveTheirMembers(text: String, expected: [String]) throws {
        if expected.isEmpty {
            #expect(throws: InvalidLine.self) { try members(text) }
        } else {
            #expect(try members(text) == expected)
        }
    }

    @Test(arguments: [
        "{", "}", "{}", "{1..}", "{..1}", "{1}", "{abc}", "{1...3}", "{1..3..0}", "{1..3..-1}", "{-1..3}",
        "{1..3..1..1}",
        "{a..Z}", "{a..9}", "{aa..bb}", "{{1..3}}", "{1..3", "1..3}", "{1 .. 3}", "{1..1000000000000000}", "{1..3}{",
        "{\u{0661}..\u{0663}}",
    ])
    func whatIsNeitherIsAnError(text: String) {
        #expect(throws: InvalidLine.self) { try URLTemplate(text) }
    }

    @Test func aSlipOfThePenDoesNotGiveABillionURLs() throws {
        #expect(try URLTemplate("{1..10000000}").count == 10_000_000)
        #expect(throws: InvalidLine("its ranges give more than 10000000 URLs")) { try URLTemplate("{1..10000001}") }
        #expect(throws: InvalidLine("its ranges give more than 10000000 URLs")) {
            try URLTemplate(String(repeating: "{1..999999999999999}", count: 40))
        }
    }

    /// Members of the largest one are made when they are asked for.
    @Test func membersAreFoundByTheirIndex() throws {
        let template = try URLTemplate("{0..99}/{000..999}/{a,b}")
        #expect(template.count == 200_000)
        #expect(template[0] == "0/000/a")
        #expect(template[199_999] == "99/999/b")
        #expect(template[2_000 * 42 + 2 * 7 + 1] == "42/007/b")
    }
}
