import Testing

@testable import ApusRuntime

@Suite("Nanoseconds of a duration")
struct ClampedNanosecondsTests {
    @Test("are whole ones, towards zero, on both sides of what one word can hold")
    func values() {
        for seconds: Int64 in [0, 1, 9_443, 9_444, 9_445, 9_446, 1_000_000, 9_000_000_000] {
            for attoseconds: Int64 in [
                0, 1, 511, 512, 999_999_999, 1_000_000_000, 1_953_125 << 9, 999_999_999_999_999_999,
            ] {
                let duration = Duration(secondsComponent: seconds, attosecondsComponent: attoseconds)
                let expected = seconds * 1_000_000_000 + attoseconds / 1_000_000_000
                #expect(duration.clampedNanoseconds == expected)
                #expect((Duration.zero - duration).clampedNanoseconds == -expected)
            }
        }
    }

    @Test("end where 64 bits do")
    func clamped() {
        #expect(Duration.seconds(Int64.max).clampedNanoseconds == .max)
        #expect(Duration.seconds(Int64.min).clampedNanoseconds == .min)
        #expect(Duration.nanoseconds(Int64.max).clampedNanoseconds == .max)
        #expect(Duration.nanoseconds(Int64.min).clampedNanoseconds == .min)
    }
}
