import Testing

@testable import ApusRuntime

@Suite("Whose code a frame is")
struct FrameOriginTests {
    /// Array's initializer for integers, as a release build has it in the program.
    private let array = "$sSa28_unsafeUninitializedCapacity16initializingWithSayxGSi_ySryxGz_SiztKXEtKcfCSu_Tt1g5Tf4n_n"

    @Test(
        "the standard library's code that Apus calls is Apus's, wherever its sources were",
        arguments: ["", "/", "/opt/app/.build/checkouts/apus/"]
    )
    func inlined(above: String) {
        let own = above + "Sources/ApusRuntime/Diagnostics/CallTrace.swift"
        #expect(FrameOrigin.isInternal(symbol: array, image: "app", file: own))
        let users = above + "Sources/App/CallTrace.swift"
        #expect(!FrameOrigin.isInternal(symbol: array, image: "app", file: users))
        let tests = above + "Tests/ApusRuntimeTests/CallTrace.swift"
        #expect(!FrameOrigin.isInternal(symbol: "$s16ApusRuntimeTests4testyyF", image: "app", file: tests))
    }
}
