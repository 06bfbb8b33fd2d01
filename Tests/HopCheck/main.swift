// The rules of the loop that only a process of its own can show, and in a release build: `apus-hop-check`.
//
// Without an argument: on which thread does code run? One line per check, `ok …` or `FAIL …`, then `N passed, M failed`.
// With one (`sigint`, `sigpipe`, `fork`, …): one scene, for the subprocess tests of ApusRuntimeTests; see Scenes.swift.

@preconcurrency import Glibc

// By line even into a pipe: a scene may end by a signal.
setlinebuf(stdout)
if CommandLine.arguments.count > 1 {
    let scenes = Scene.all.merging(Scene.ofLoops) { first, _ in first }.merging(Scene.ofProcess) { first, _ in first }
    guard let scene = scenes[CommandLine.arguments[1]] else {
        print("apus-hop-check: no scene “\(CommandLine.arguments[1])”; there are: \(scenes.keys.sorted())")
        exit(2)
    }
    // The threads of libdispatch block signals, and so does what is started from them: a test, for instance.
    var signals = sigset_t()
    sigfillset(&signals)
    pthread_sigmask(SIG_UNBLOCK, &signals, nil)
    // A scene that hangs is a failure, and not the end of all tests.
    alarm(60)
    exit(scene())
}
exit(HopCheck.run())
