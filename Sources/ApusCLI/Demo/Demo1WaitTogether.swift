import Apus

extension Demo {
    func waitTogether() async throws {
        screen.heading(1, "Waiting together takes as long as the longest wait")
        screen.explain("Two tasks sleep, one for 0.4 s and one for 0.8 s.")
        @Sendable
        func work(_ duration: Duration) async throws { try await sleep(for: duration) }

        let inSequence = try await clock.measure {
            try await work(.milliseconds(400))
            try await work(.milliseconds(800))
        }
        screen.figure("one after the other", Format.time(inSequence), "their sum")
        let together = try await clock.measure {
            _ = try await gather({ try await work(.milliseconds(400)) }, { try await work(.milliseconds(800)) })
        }
        screen.figure("gather({ … }, { … })", Format.time(together), "the longest")
    }
}
