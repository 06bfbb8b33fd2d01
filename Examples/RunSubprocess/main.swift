// Other programs, by swift-subprocess beside the loop: fed, drained on both pipes, awaited, and ended when they take too long.
//
//     swift run RunSubprocess
import Apus
import Subprocess

try EventLoop.run {
    let heartbeat = EventLoop.spawn(name: "heartbeat") {
        var beats = 0
        while !Task.isCancelled {
            try? await sleep(for: .milliseconds(10))
            beats += 1
        }
        return beats
    }

    // asyncio's `communicate(input)`: standard input is written while both pipes are read, so that no pipe fills up and stops the program.
    // A program need not read all that it is given. With `.inputWriter` that is an error that can be left alone; with `input: .string(…)`
    // it ends this process (swift-subprocess 1.0.2).
    let sorted = try await run(
        .name("sort"),
        input: .inputWriter,
        output: .string(limit: 4096),
        error: .string(limit: 4096)
    ) { execution in
        do {
            _ = try await execution.standardInputWriter.write("pear\napple\nfig\n")
        } catch is SubprocessError {}
    }
    print("sorted:", sorted.standardOutput.split(separator: "\n").joined(separator: " "))
    print("exit:", sorted.terminationStatus)

    // A program that does not end. The timeout cancels `run`, which asks the program to end (SIGTERM), kills it (SIGKILL) if it has not
    // after so long, and reaps it in any case.
    var patience = PlatformOptions()
    patience.teardownSequence = [.gracefulShutDown(allowedDurationToNextStep: .seconds(2))]
    let options = patience
    let slow = try await withTimeout(.milliseconds(200)) {
        try await run(.name("sleep"), arguments: ["3600"], platformOptions: options, output: .discarded)
    }
    // It does not throw then, and says what ended the program.
    print("sleep:", slow.terminationStatus)

    heartbeat.cancel()
    print("beats meanwhile:", try await heartbeat.value)
}
