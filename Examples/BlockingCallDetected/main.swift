// The same blocking call without `offload`: it stops everything on the loop. In debug mode the loop says which line it was.
//
//     swift run BlockingCallDetected
//     APUS_DEBUG=1 swift run RunInExecutor      (debug mode without touching the program; there is nothing to report)
import Apus
import Glibc

@inline(never)
nonisolated func blockingCall() {
    usleep(500_000)
}

var options = EventLoop.Options()
options.debug = true
options.blockThreshold = .milliseconds(100)
// Without this the reports go to the log. It is called on a thread of the watchdog's, while the loop is still blocked.
options.onBlock = { report in
    if let culprit = report.culprit { print("culprit: \(culprit.function ?? "?") in line \(culprit.line ?? 0)") }
    print(report)
}

try EventLoop.run(options) {
    let task = EventLoop.spawn(name: "import of the catalogue") {
        blockingCall()
    }
    try await task.value
}
